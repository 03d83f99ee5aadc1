// Turns a status of cuBLASLt into our error.
// SPDX-License-Identifier: MIT
#pragma once

#include <cublasLt.h>

#include "kernels/core/error.h"

namespace nasengine::cuda {

// Throws kDevice naming `what` and the status unless it is a success.
inline void Check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  Throw(ErrorCode::kDevice, what, ": ", cublasLtGetStatusName(status));
}

}  // namespace nasengine::cuda

#define NAS_CUBLAS_CHECK(call) ::nasengine::cuda::Check(call, #call)
