// A context's workspace cut into pieces, for kernels that use it for several things at once.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/core/context.h"

namespace nasengine::cuda {

class WorkspacePieces {
 public:
  // Where a further piece starts.
  std::size_t Add(std::int64_t bytes) {
    const std::size_t at = bytes_;
    bytes_ += (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  }
  // What to ask the context for: a workspace is aligned to less than pieces are.
  std::size_t total_bytes() const { return bytes_ == 0 ? 0 : bytes_ + kAlignment; }
  // Where they are; null where there are none.
  std::byte* Take(Context& context) const {
    if (bytes_ == 0) return nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(context.Workspace(total_bytes()));
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    return reinterpret_cast<std::byte*>((address + kAlignment - 1) / kAlignment * kAlignment);
  }

 private:
  static constexpr std::size_t kAlignment = 256;
  std::size_t bytes_ = 0;
};

}  // namespace nasengine::cuda
