// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/scheduler.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/emulation/fiber.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace nasengine::cuda::emulation {
namespace {

constexpr std::size_t kMostThreads = 1024;
constexpr std::size_t kMostThreadsZ = 64;
constexpr std::size_t kMostBlocksYZ = 65535;
constexpr std::size_t kMostSharedBytes = 227 * 1024;
constexpr std::size_t kRedZoneBytes = 64;

enum class Status { kReady, kAtBlock, kAtWarp, kDone, kFailed };

// The scheduler's own memory is no part of what ThreadSanitizer is to watch.
class Unwatched {
 public:
#if defined(__SANITIZE_THREAD__)
  Unwatched() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  }
#else
  Unwatched() {}
  ~Unwatched() {}
#endif
  Unwatched(const Unwatched&) = delete;
  Unwatched& operator=(const Unwatched&) = delete;
};

void Arrive(void* at) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(at);
#else
  static_cast<void>(at);
#endif
}
void Depart(void* at) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(at);
#else
  static_cast<void>(at);
#endif
}

void Poison(const std::byte* from, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(from, bytes);
#else
  static_cast<void>(from);
  static_cast<void>(bytes);
#endif
}
void Unpoison(const std::byte* from, std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(from, bytes);
#else
  static_cast<void>(from);
  static_cast<void>(bytes);
#endif
}

struct PendingCopy {
  void* to;
  const void* from;
  std::size_t bytes;
  bool inside;
};

struct Thread {
  Fiber fiber;
  dim3 index;
  Status status = Status::kDone;
  Place place{};
  unsigned mask = 0;
  std::size_t shown = 0;      // which exchange of the warp this lane took part in last
  std::size_t barriers = 0;   // of the block that it has been at
  std::size_t exchanges = 0;  // of the warp
  LaneWords words{};
  std::vector<PendingCopy> copies;
  std::vector<std::size_t> groups;  // ends within `copies`
};

// A block's shared memory: arrays one after another with what nobody may touch between them.
class SharedMemory {
 public:
  void Start(std::size_t dynamic_bytes) {
    Unpoison(memory_.data(), memory_.size());
    std::memset(memory_.data(), 0xff, memory_.size());
    Poison(memory_.data(), memory_.size());
    arrays_.clear();
    used_ = 0;
    bytes_ = 0;
    dynamic_ = dynamic_bytes > 0 ? Take(dynamic_bytes, 16) : nullptr;
  }
  void Stop() { Unpoison(memory_.data(), memory_.size()); }

  // Null where there is not so much.
  void* Array(const void* key, std::size_t bytes, std::size_t alignment) {
    for (const auto& [known, data] : arrays_) {
      if (known == key) return data;
    }
    std::byte* data = Take(bytes, alignment);
    if (data != nullptr) arrays_.emplace_back(key, data);
    return data;
  }
  void* dynamic() const { return dynamic_; }

 private:
  std::byte* Take(std::size_t bytes, std::size_t alignment) {
    bytes_ += bytes;
    if (bytes_ > kMostSharedBytes) return nullptr;
    const std::size_t begin = (used_ + kRedZoneBytes + alignment - 1) / alignment * alignment;
    used_ = begin + bytes;
    if (used_ + kRedZoneBytes > memory_.size()) return nullptr;
    Unpoison(memory_.data() + begin, bytes);
    return memory_.data() + begin;
  }

  std::vector<std::byte> memory_ = std::vector<std::byte>(kMostSharedBytes + 64 * kRedZoneBytes);
  std::vector<std::pair<const void*, std::byte*>> arrays_;
  std::byte* dynamic_ = nullptr;
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;
};

// What lanes showed in the last exchanges of a warp. A lane that is slow to read keeps at most the
// exchanges of the other lanes waiting for it, which are fewer than these.
struct Warp {
  static constexpr std::size_t kKept = 64;
  std::array<std::array<LaneWords, kLanes>, kKept> shown;
  std::size_t exchanges = 0;
  std::array<char, 2> barriers{};  // for ThreadSanitizer
};

// The order of things that have no order on a device.
class Order {
 public:
  Order() {
    const char* wanted = std::getenv("NASENGINE_EMULATED_ORDER");
    const std::string_view order = wanted == nullptr ? "forward" : wanted;
    reverse_ = order == "reverse";
    random_ = order.starts_with("random");
    if (order.starts_with("random:")) {
      generator_.seed(static_cast<std::uint32_t>(std::atoi(order.data() + sizeof("random:") - 1)));
    }
  }
  // Of 0 .. n - 1, for a while.
  void Fill(std::vector<std::uint32_t>& order, std::size_t n) {
    order.resize(n);
    std::iota(order.begin(), order.end(), 0u);
    if (reverse_) std::reverse(order.begin(), order.end());
    if (random_) std::shuffle(order.begin(), order.end(), generator_);
  }
  bool random() const { return random_; }

 private:
  bool reverse_ = false;
  bool random_ = false;
  std::mt19937 generator_;
};

class Grid {
 public:
  static Grid& Get() {
    // Never destroyed: fibers that were left half-way have nobody to end them.
    static Grid& grid = *new Grid;
    return grid;
  }

  void Run(const GridLaunch& launch) {
    const Unwatched unwatched;
    launch_ = &launch;
    failure_.clear();
    indices_.block_size = launch.block;
    indices_.grid_size = launch.grid;
    count_ = std::size_t{launch.block.x} * launch.block.y * launch.block.z;
    while (threads_.size() < count_) threads_.push_back(std::make_unique<Thread>());
    warps_.resize((count_ + kLanes - 1) / kLanes);
    Order order;
    std::vector<std::uint32_t> blocks;
    const std::size_t blocks_xy = std::size_t{launch.grid.x} * launch.grid.y;
    order.Fill(blocks, blocks_xy * launch.grid.z);
    for (const std::uint32_t block : blocks) {
      const auto rest = static_cast<unsigned>(block % blocks_xy);
      indices_.block = dim3(rest % launch.grid.x, rest / launch.grid.x,
                            static_cast<unsigned>(block / blocks_xy));
      RunBlock(order);
      if (!failure_.empty()) break;
    }
    shared_.Stop();
    if (!failure_.empty()) Throw(ErrorCode::kDevice, failure_);
  }

  const ThreadIndices& indices() const { return indices_; }
  int lane() const { return static_cast<int>(current_ % kLanes); }

  void SyncBlock(Place place) {
    // By turns: who is still on the way out of one barrier must not take over what a faster thread
    // has released at the next.
    char* barrier = &barriers_[threads_[current_]->barriers++ % 2];
    Arrive(barrier);
    Wait(Status::kAtBlock, place);
    Depart(barrier);
  }

  const std::array<LaneWords, kLanes>& ExchangeLanes(unsigned mask, const LaneWords& words,
                                                     Place place) {
    Thread& thread = *threads_[current_];
    if ((mask >> lane() & 1) == 0) Fail("a lane is not in the mask that it names", place);
    Warp& warp = warps_[current_ / kLanes];
    {
      const Unwatched unwatched;
      thread.words = words;
      thread.mask = mask;
    }
    char* barrier = &warp.barriers[thread.exchanges++ % 2];
    Arrive(barrier);
    Wait(Status::kAtWarp, place);
    Depart(barrier);
    return warp.shown[thread.shown % Warp::kKept];
  }

  [[noreturn]] void Fail(const char* what, Place place) {
    {
      const Unwatched unwatched;
      const dim3& t = threads_[current_]->index;
      Fault(StrCat("thread (", t.x, ", ", t.y, ", ", t.z, "): ", what), place);
      threads_[current_]->status = Status::kFailed;
    }
    while (true) threads_[current_]->fiber.Leave();
  }

  void* SharedArray(const void* key, std::size_t bytes, std::size_t alignment) {
    const Unwatched unwatched;
    void* data = shared_.Array(key, bytes, alignment);
    if (data == nullptr) Fail("more shared memory than a block may have", {__FILE__, __LINE__});
    return data;
  }
  void* dynamic_shared() const { return shared_.dynamic(); }
  Thread& thread() { return *threads_[current_]; }

 private:
  void Fault(const std::string& what, Place place) {
    if (!failure_.empty()) return;
    const dim3& b = indices_.block;
    failure_ = StrCat("kernel ", launch_->kernel, ", block (", b.x, ", ", b.y, ", ", b.z, "), ",
                      place.file, ":", place.line, ": ", what);
  }

  void Wait(Status status, Place place) {
    Thread& own = *threads_[current_];
    {
      const Unwatched unwatched;
      own.status = status;
      own.place = place;
    }
    own.fiber.Leave();
  }

  static void Enter(void* data) {
    const GridLaunch& launch = *static_cast<const GridLaunch*>(data);
    Grid& grid = Get();
    Depart(&grid.began_);
    launch.body(launch.arguments);
    Arrive(&grid.ended_);
    Thread& own = *grid.threads_[grid.current_];
    {
      const Unwatched unwatched;
      own.status = Status::kDone;
    }
    own.fiber.Leave(true);
  }

  void RunBlock(Order& order) {
    shared_.Start(launch_->shared_bytes);
    for (std::size_t i = 0; i < count_; ++i) {
      Thread& thread = *threads_[i];
      const auto number = static_cast<unsigned>(i);
      const dim3& size = launch_->block;
      thread.index = dim3(number % size.x, number / size.x % size.y, number / size.x / size.y);
      thread.status = Status::kReady;
      thread.copies.clear();
      thread.groups.clear();
      thread.barriers = thread.exchanges = 0;
      thread.fiber.Start(Enter, const_cast<GridLaunch*>(launch_));
    }
    order.Fill(turns_, count_);
    // What happened before a block has happened for its threads, and what they do has for whoever
    // comes after: races between blocks are not what this finds.
    Arrive(&began_);
    RunThreads(order);
    Depart(&ended_);
  }

  void RunThreads(Order& order) {
    while (failure_.empty()) {
      bool ran = false;
      for (const std::uint32_t i : turns_) {
        if (threads_[i]->status != Status::kReady) continue;
        ran = true;
        current_ = i;
        indices_.thread = threads_[i]->index;
        threads_[i]->fiber.Resume();
        if (!failure_.empty()) return;
        if (threads_[i]->status == Status::kAtWarp) ReleaseWarp(i);
      }
      if (!ran && !ReleaseBlock()) return;
      if (order.random()) order.Fill(turns_, count_);
    }
  }

  // Lets the lanes that thread `i` waits for go on if all of them wait for each other.
  void ReleaseWarp(std::size_t i) {
    const std::size_t first = i / kLanes * kLanes;
    const Thread& asking = *threads_[i];
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      if ((asking.mask >> lane & 1) == 0) continue;
      const bool exists = first + lane < count_;
      if (!exists || threads_[first + lane]->status == Status::kDone) {
        return Fault(
            StrCat("a mask names lane ", lane, ", which has ", exists ? "ended" : "no thread"),
            asking.place);
      }
      const Thread& other = *threads_[first + lane];
      if (other.status != Status::kAtWarp || other.mask != asking.mask ||
          other.place != asking.place) {
        return;
      }
    }
    Warp& warp = warps_[i / kLanes];
    const std::size_t number = ++warp.exchanges;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      if ((asking.mask >> lane & 1) == 0) continue;
      Thread& other = *threads_[first + lane];
      warp.shown[number % Warp::kKept][lane] = other.words;
      other.shown = number;
      if (&other != &asking) other.status = Status::kReady;
    }
    threads_[i]->status = Status::kReady;
  }

  // Lets all threads go on if all wait for the block; false where the block is done or stuck.
  bool ReleaseBlock() {
    std::size_t waiting = 0;
    std::size_t done = 0;
    const Thread* first = nullptr;
    for (std::size_t i = 0; i < count_; ++i) {
      const Thread& thread = *threads_[i];
      done += thread.status == Status::kDone ? 1 : 0;
      if (thread.status == Status::kDone) continue;
      ++waiting;
      if (first == nullptr) first = &thread;
      if (thread.status != first->status || thread.place != first->place) {
        Fault(StrCat("threads wait at different lines, ", first->place.line, " and ",
                     thread.place.line),
              first->place);
        return false;
      }
    }
    if (waiting == 0) return false;
    if (done > 0 || first->status == Status::kAtWarp) {
      Fault(StrCat(first->status == Status::kAtWarp ? "warp" : "barrier", " divergence: ", waiting,
                   " wait, ", done, " have ended"),
            first->place);
      return false;
    }
    for (std::size_t i = 0; i < count_; ++i) threads_[i]->status = Status::kReady;
    return true;
  }

  const GridLaunch* launch_ = nullptr;
  // Only their addresses matter, to ThreadSanitizer.
  std::array<char, 2> barriers_{};
  char began_ = 0;
  char ended_ = 0;
  std::string failure_;
  ThreadIndices indices_;
  std::size_t count_ = 0;
  std::size_t current_ = 0;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Warp> warps_;
  std::vector<std::uint32_t> turns_;
  SharedMemory shared_;
};

}  // namespace

const ThreadIndices& Indices() { return Grid::Get().indices(); }
int LaneNumber() { return Grid::Get().lane(); }
void SyncBlock(Place place) { Grid::Get().SyncBlock(place); }
const std::array<LaneWords, kLanes>& ExchangeLanes(unsigned mask, const LaneWords& words,
                                                   Place place) {
  return Grid::Get().ExchangeLanes(mask, words, place);
}
void Fail(const char* what, Place place) { Grid::Get().Fail(what, place); }
void* SharedArray(const void* key, std::size_t bytes, std::size_t alignment) {
  return Grid::Get().SharedArray(key, bytes, alignment);
}
void* DynamicShared() { return Grid::Get().dynamic_shared(); }

void AsyncCopy(void* shared, const void* global, int bytes, bool inside) {
  const auto size = static_cast<std::size_t>(bytes);
  const auto misaligned = [size](const void* data) {
    return reinterpret_cast<std::uintptr_t>(data) % size != 0;
  };
  if (misaligned(shared) || (inside && misaligned(global))) {
    Fail("an asynchronous copy is not aligned to its size", {__FILE__, __LINE__});
  }
  const Unwatched unwatched;
  Grid::Get().thread().copies.push_back({shared, global, size, inside});
}

void AsyncCommit() {
  const Unwatched unwatched;
  Thread& thread = Grid::Get().thread();
  thread.groups.push_back(thread.copies.size());
}

void AsyncWait(int pending) {
  std::vector<PendingCopy> arrived;
  {
    const Unwatched unwatched;
    Thread& thread = Grid::Get().thread();
    const std::size_t keep = static_cast<std::size_t>(pending);
    if (thread.groups.size() <= keep) return;
    const std::size_t groups = thread.groups.size() - keep;
    const std::size_t end = thread.groups[groups - 1];
    const auto split = thread.copies.begin() + static_cast<std::ptrdiff_t>(end);
    arrived.assign(thread.copies.begin(), split);
    thread.copies.erase(thread.copies.begin(), split);
    thread.groups.erase(thread.groups.begin(),
                        thread.groups.begin() + static_cast<std::ptrdiff_t>(groups));
    for (std::size_t& group : thread.groups) group -= end;
  }
  for (const PendingCopy& copy : arrived) {
    if (copy.inside) {
      std::memcpy(copy.to, copy.from, copy.bytes);
    } else {
      std::memset(copy.to, 0, copy.bytes);
    }
  }
}

cudaError_t RunGrid(const GridLaunch& launch) {
  const dim3& block = launch.block;
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > kMostThreads || block.z > kMostThreadsZ ||
      launch.grid.y > kMostBlocksYZ || launch.grid.z > kMostBlocksYZ ||
      launch.shared_bytes > kMostSharedBytes) {
    return cudaErrorInvalidConfiguration;
  }
  const DeviceAtWork at_work;
  Grid::Get().Run(launch);
  return cudaSuccess;
}

}  // namespace nasengine::cuda::emulation
