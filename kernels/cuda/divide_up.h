// The division that cuts work into blocks, apart from CUDA, for plans and launches alike.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine::cuda {

constexpr std::int64_t DivideUp(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

}  // namespace nasengine::cuda
