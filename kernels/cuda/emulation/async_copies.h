// A thread's asynchronous copies from global to shared memory, as late as a device may make them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

namespace nasengine::cuda::emulation {

// See AsyncCopy in kernels/cuda/portable.cuh. From its issue until the wait that guarantees it, a
// copy's target holds all bits set: who reads it too soon, or still has to read what was there
// before, gets NaN. What nobody waits for never arrives.
class AsyncCopies {
 public:
  // Zeros are copied where `from` is null.
  void Issue(void* to, const void* from, std::size_t bytes);
  void Commit();
  // Until at most `pending` groups are.
  void Wait(std::size_t pending);
  void Clear();

 private:
  struct Copy {
    void* to;
    const void* from;
    std::size_t bytes;
  };

  // What a group ends before; first of those that have not arrived.
  std::vector<Copy> copies_;
  std::vector<std::size_t> group_ends_;
  std::size_t arrived_copies_ = 0;
  std::size_t arrived_groups_ = 0;
};

}  // namespace nasengine::cuda::emulation
