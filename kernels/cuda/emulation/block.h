// One block of a launch: its threads, what they wait for, and what is wrong where they wait
// forever.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/emulation/async_copies.h"
#include "kernels/cuda/emulation/fiber.h"
#include "kernels/cuda/emulation/order.h"
#include "kernels/cuda/emulation/sanitizers.h"
#include "kernels/cuda/emulation/scheduler.h"
#include "kernels/cuda/emulation/shared_memory.h"

namespace nasengine::cuda::emulation {

enum class Status : std::uint8_t { kDone, kReady, kAtBlock, kAtWarp, kFailed };

struct Thread {
  Fiber* fiber = nullptr;
  dim3 index;
  Status status = Status::kDone;
  Place place;
  // Of the operation of its warp that the thread waits for.
  unsigned mask = 0;
  LanePart* part = nullptr;
  WarpOperation operation = nullptr;
  AsyncCopies copies;
};

class Block {
 public:
  explicit Block(Fiber::Entry entry) : entry_(entry) {}

  // For the blocks of a launch.
  void Resize(const dim3& size, const GridLaunch& launch);
  // Until all threads are done or one thing is wrong.
  void Run(Order& order);
  // Forgets what is half done.
  void Abandon();
  // What went wrong; empty if nothing did.
  const std::string& failure() const { return failure_; }

  // Called by the thread that runs.
  void SyncBlock(Place place);
  void DoAsWarp(unsigned mask, LanePart& own, WarpOperation operation, Place place);
  void End();
  // The thread has done something wrong; to be followed by Stop, with nothing left to destroy.
  void Fault(const std::string& what, Place place);
  [[noreturn]] void Stop();
  Thread& current() { return threads_[current_]; }
  SharedMemory& shared() { return shared_; }

 private:
  struct Group {  // lanes that wait for each other
    unsigned mask;
    Meeting meeting;
  };
  struct Warp {
    unsigned waiting = 0;  // at an operation
    unsigned absent = 0;   // have ended, or never were
    std::vector<Group> groups;
  };

  void StartThreads();
  Meeting& MeetingOf(Warp& warp, unsigned mask);
  void WaitAs(Status status, Place place, Meeting& meeting);
  void ReleaseWarp(std::size_t asking);
  bool ReleaseBlock();
  std::string WhyWarpWaits(std::size_t asking) const;
  std::string WhyBlockWaits() const;
  void Record(std::size_t thread, Place place, const std::string& what);

  Fiber::Entry entry_;
  const GridLaunch* launch_ = nullptr;
  std::string failure_;
  std::size_t count_ = 0;
  std::size_t current_ = 0;
  std::vector<Thread> threads_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::size_t first_fiber_ = 0;  // the first thread's
  std::vector<Warp> warps_;
  std::vector<std::uint32_t> turns_;
  Meeting meeting_;
  SharedMemory shared_;
};

}  // namespace nasengine::cuda::emulation
