// From the type of a view to the type that kernels of ours store.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/bfloat16.h"
#include "kernels/core/tensor.h"

namespace nasengine::cuda {

// Calls body(float{}) or body(BFloat16{}), and returns what it does.
template <class Body>
auto WithStorage(DType dtype, const Body& body) {
  return dtype == DType::kBf16 ? body(BFloat16{}) : body(float{});
}

}  // namespace nasengine::cuda
