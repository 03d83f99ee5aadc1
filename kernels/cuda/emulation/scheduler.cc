// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/scheduler.h"

#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/emulation/block.h"
#include "kernels/cuda/emulation/device_memory.h"
#include "kernels/cuda/emulation/order.h"
#include "kernels/cuda/emulation/sanitizers.h"

namespace nasengine::cuda::emulation {

ThreadIndices running;

namespace {

constexpr unsigned kMostThreads = 1024;
constexpr unsigned kMostThreadsZ = 64;
constexpr unsigned kMostBlocksX = 0x7fffffff;
constexpr unsigned kMostBlocksYZ = 65535;
constexpr std::size_t kMostBlocks = std::size_t{1} << 24;

// All launches use one block after another, and its stacks again.
class Emulator {
 public:
  // Never destroyed: the sanitizers know its fibers until the program ends.
  static Emulator& Get() {
    static Emulator& emulator = *new Emulator;
    return emulator;
  }

  Block& block() { return block_; }

  void Run(const GridLaunch& launch) {
    std::string failure;
    {
      const Unwatched unwatched;
      // Between blocks there is no order, but the launch comes after what came before it.
      Release(&begin_);
      RunBlocks(launch);
      Acquire(&end_);
      failure = block_.failure();
    }
    if (!failure.empty()) Throw(ErrorCode::kDevice, failure);
  }

 private:
  Emulator() : block_(RunThread) {}

  void RunBlocks(const GridLaunch& launch) {
    const dim3& grid = launch.grid;
    running.block_size = launch.block;
    running.grid_size = grid;
    block_.Resize(launch.block, launch);
    Order order = Order::FromEnvironment();
    std::vector<std::uint32_t> numbers;
    const std::size_t layer = std::size_t{grid.x} * grid.y;
    NAS_CHECK(layer <= kMostBlocks / grid.z, "kernel ", launch.kernel, ": a grid of ", grid.x,
              " x ", grid.y, " x ", grid.z, " blocks is too much to emulate");
    order.Fill(numbers, layer * grid.z);
    for (const std::uint32_t number : numbers) {
      const auto in_layer = static_cast<unsigned>(number % layer);
      running.block =
          dim3(in_layer % grid.x, in_layer / grid.x, static_cast<unsigned>(number / layer));
      block_.Run(order);
      if (!block_.failure().empty()) {
        block_.Abandon();
        return;
      }
    }
  }

  static void RunThread(void* data) {
    Emulator& emulator = Get();
    Acquire(&emulator.begin_);
    const GridLaunch& launch = *static_cast<const GridLaunch*>(data);
    bool threw = false;
    try {
      launch.body(launch.call);
    } catch (const std::exception& error) {
      emulator.block_.Fault(error.what(), {launch.kernel, 0});
      threw = true;
    }
    if (threw) emulator.block_.Stop();
    Release(&emulator.end_);
    emulator.block_.End();
  }

  Block block_;
  std::uint64_t begin_ = 0;
  std::uint64_t end_ = 0;
};

}  // namespace

void SyncBlock(Place place) { Emulator::Get().block().SyncBlock(place); }

void DoAsWarp(unsigned mask, LanePart& own, WarpOperation operation, Place place) {
  Emulator::Get().block().DoAsWarp(mask, own, operation, place);
}

void Fail(const char* what, Place place) {
  Block& block = Emulator::Get().block();
  block.Fault(what, place);
  block.Stop();
}

void* SharedArray(const void* key, std::size_t bytes, std::size_t alignment, Place place) {
  Block& block = Emulator::Get().block();
  void* data = nullptr;
  {
    const Unwatched unwatched;
    data = block.shared().Array(key, bytes, alignment);
  }
  if (data == nullptr) Fail("more shared memory than a block may have", place);
  return data;
}

void* DynamicShared() { return Emulator::Get().block().shared().dynamic(); }

void AsyncCopy(void* shared, const void* global, int bytes, bool inside, Place place) {
  const auto size = static_cast<std::size_t>(bytes);
  const auto misaligned = [size](const void* data) {
    return reinterpret_cast<std::uintptr_t>(data) % size != 0;
  };
  if (size != 4 && size != 8 && size != 16) {
    Fail("an asynchronous copy is not of 4, 8 or 16 bytes", place);
  }
  if (misaligned(shared) || (inside && misaligned(global))) {
    Fail("an asynchronous copy is not aligned to its size", place);
  }
  Block& block = Emulator::Get().block();
  if (!block.shared().Holds(shared)) {
    Fail("an asynchronous copy is not to shared memory", place);
  }
  if (inside && global == nullptr) Fail("an asynchronous copy reads no address", place);
  block.current().copies.Issue(shared, inside ? global : nullptr, size);
}

void AsyncCommit() { Emulator::Get().block().current().copies.Commit(); }

void AsyncWait(int pending) {
  Emulator::Get().block().current().copies.Wait(static_cast<std::size_t>(pending));
}

namespace {

// Where memory is guarded, as a card's, no pointer given to a kernel is an address of the host's.
// Those within objects cannot be told from what lies between their members.
void CheckArguments(const GridLaunch& launch) {
  DeviceMemory& memory = DeviceMemory::Get();
  if (!memory.guards()) return;
  for (std::size_t i = 0; i < launch.pointers.size(); ++i) {
    if (memory.OnHostOnly(launch.pointers[i])) {
      Throw(ErrorCode::kDevice, "kernel ", launch.kernel, ": argument ", i,
            " is an address of the host's");
    }
  }
}

}  // namespace

cudaError_t RunGrid(const GridLaunch& launch) {
  const dim3& block = launch.block;
  const dim3& grid = launch.grid;
  const auto within = [](unsigned size, unsigned most) { return size > 0 && size <= most; };
  if (!within(block.x, kMostThreads) || !within(block.y, kMostThreads) ||
      !within(block.z, kMostThreadsZ) || block.x * block.y * block.z > kMostThreads ||
      !within(grid.x, kMostBlocksX) || !within(grid.y, kMostBlocksYZ) ||
      !within(grid.z, kMostBlocksYZ) || launch.shared_bytes > kMostSharedBytes) {
    return cudaErrorInvalidConfiguration;
  }
  CheckArguments(launch);
  const DeviceAtWork at_work;
  Emulator::Get().Run(launch);
  return cudaSuccess;
}

}  // namespace nasengine::cuda::emulation
