// A stack of its own for each emulated thread, and the switch between two of them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>

namespace nasengine::cuda::emulation {

// Code that can be left and gone on with. Not thread-safe: all fibers of a launch belong to the
// thread that launches.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next Resume begins `entry(argument)`, which must not return: it ends by leaving. Whatever
  // the fiber was at before is forgotten.
  void Start(void (*entry)(void*), void* argument);
  // Goes on with the fiber until it leaves.
  void Resume();
  // Called on the fiber: back to whoever resumed it. The last time, `for_good` lets sanitizers
  // forget its stack.
  void Leave(bool for_good = false);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nasengine::cuda::emulation
