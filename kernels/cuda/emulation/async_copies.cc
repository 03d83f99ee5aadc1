// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/async_copies.h"

#include <cstdint>
#include <cstring>

#include "kernels/cuda/emulation/sanitizers.h"

namespace nasengine::cuda::emulation {

void AsyncCopies::Issue(void* to, const void* from, std::size_t bytes) {
  // A device may write and read from now on. Sanitizers see it here, where the kernel asks for it.
  std::memset(to, 0xff, bytes);
  if (from != nullptr) {
    const auto* words = static_cast<const volatile std::uint32_t*>(from);
    for (std::size_t i = 0; i < bytes / sizeof(*words); ++i) static_cast<void>(words[i]);
  }
  const Unwatched unwatched;
  copies_.push_back({to, from, bytes});
}

void AsyncCopies::Commit() {
  const Unwatched unwatched;
  group_ends_.push_back(copies_.size());
}

void AsyncCopies::Wait(std::size_t pending) {
  if (group_ends_.size() <= arrived_groups_ + pending) return;
  const std::size_t groups = group_ends_.size() - pending;
  const std::size_t end = group_ends_[groups - 1];
  for (std::size_t i = arrived_copies_; i < end; ++i) {
    const Copy& copy = copies_[i];
    if (copy.from == nullptr) {
      std::memset(copy.to, 0, copy.bytes);
    } else {
      std::memcpy(copy.to, copy.from, copy.bytes);
    }
  }
  const Unwatched unwatched;
  arrived_copies_ = end;
  arrived_groups_ = groups;
  if (pending == 0 && end == copies_.size()) Clear();
}

void AsyncCopies::Clear() {
  copies_.clear();
  group_ends_.clear();
  arrived_copies_ = 0;
  arrived_groups_ = 0;
}

}  // namespace nasengine::cuda::emulation
