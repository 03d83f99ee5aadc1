// A launch in the emulation: the kernel's arguments are copied once, as a device's are.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <tuple>
#include <type_traits>

#include "kernels/cuda/emulation/scheduler.h"

namespace nasengine::cuda::emulation {

// Null for what is no pointer.
template <class T>
const void* PointerOf(const T& argument) {
  if constexpr (std::is_pointer_v<T>) {
    return argument;
  } else {
    return nullptr;
  }
}

template <class... Parameters>
cudaError_t Launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block,
                   std::size_t shared_bytes, cudaStream_t /*stream*/,
                   std::type_identity_t<Parameters>... arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  } call{kernel, {arguments...}};
  const std::array<const void*, sizeof...(Parameters)> pointers{PointerOf(arguments)...};
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
                  .pointers = pointers});
}

}  // namespace nasengine::cuda::emulation
