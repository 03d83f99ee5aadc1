// A launch in the emulation: the kernel's arguments are copied once, as a device's are.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

#include "kernels/cuda/emulation/scheduler.h"

namespace nasengine::cuda::emulation {

template <class... Parameters>
cudaError_t Launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   std::size_t shared_bytes, cudaStream_t /*stream*/,
                   std::type_identity_t<Parameters>... arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  } call{kernel, {arguments...}};
  return RunGrid({.kernel = name,
                  .grid = grid,
                  .block = block,
                  .shared_bytes = shared_bytes,
                  .body =
                      [](void* data) {
                        const Call& own = *static_cast<Call*>(data);
                        std::apply(own.kernel, own.arguments);
                      },
                  .call = &call,
                  .arguments = &call.arguments,
                  .arguments_bytes = sizeof...(Parameters) == 0 ? 0 : sizeof(call.arguments)});
}

}  // namespace nasengine::cuda::emulation
