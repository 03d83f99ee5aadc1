// The one way in which kernels are launched: with the kernel's own parameter types, so that an
// argument of a wrong type converts or fails to compile, and never without a check.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/context.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/divide_up.h"
#include "kernels/cuda/runtime_api.h"

#ifdef NASENGINE_CUDA_EMULATED
#include "kernels/cuda/emulation/launch.h"
#endif

namespace nasengine::cuda {

struct LaunchShape {
  dim3 grid;
  dim3 block;
  std::size_t shared_bytes = 0;  // of NAS_DYNAMIC_SHARED
};

inline constexpr std::size_t kPlainSharedBytes = 48 * 1024;

// By a thread whose current device is the context's, which is the one that has made its backend.
// Throws kDevice naming the launch where the device refuses it. A grid of no blocks launches
// nothing.
template <class... Parameters, class... Arguments>
void Launch(Context& context, const char* name, void (*kernel)(Parameters...),
            const LaunchShape& shape, Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments));
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  const cudaStream_t stream = StreamOf(context);
#ifdef NASENGINE_CUDA_EMULATED
  Check(emulation::Launch(name, kernel, shape.grid, shape.block, shape.shared_bytes, stream,
                          static_cast<Parameters>(arguments)...),
        name);
#else
  if (shape.shared_bytes > kPlainSharedBytes) {
    Check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                               cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shape.shared_bytes)),
          name);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared_bytes;
  config.stream = stream;
  Check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), name);
#endif
}

}  // namespace nasengine::cuda
