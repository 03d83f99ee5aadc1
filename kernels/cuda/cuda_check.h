// Turns a CUDA error into ours. Included by the files of the CUDA plug-in alone.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/error.h"
#include "kernels/cuda/runtime_api.h"

namespace nasengine::cuda {

// Throws kDevice, or kOutOfMemory, naming `what` and the error, unless `error` is none.
inline void Check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  const bool memory = error == cudaErrorMemoryAllocation;
  Throw(memory ? ErrorCode::kOutOfMemory : ErrorCode::kDevice, what, ": ", cudaGetErrorName(error),
        " (", cudaGetErrorString(error), ")");
}

}  // namespace nasengine::cuda

#define NAS_CUDA_CHECK(call) ::nasengine::cuda::Check(call, #call)
