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
  using Entry = void (*)(void* argument);

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next Resume begins `entry(argument)`, which must not throw. Requires that what was begun
  // before has returned or was abandoned. ThreadSanitizer names the fiber by `number`.
  void Start(Entry entry, void* argument, std::size_t number);
  // Goes on with the fiber until it leaves or its entry returns.
  void Resume();
  // Called on the fiber: back to whoever resumed it.
  void Leave();
  // Forgets what the fiber was at without going on with it: its objects are never destroyed.
  void Abandon();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace nasengine::cuda::emulation
