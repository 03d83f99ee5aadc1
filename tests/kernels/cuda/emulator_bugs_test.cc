// Every bug that is planted in emulator_kernels.cuh is caught: by a wrong value or an error in any
// build, by AddressSanitizer where memory is left, by ThreadSanitizer where a barrier is missing.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/kernels/cuda/emulator_fixture.h"

namespace nasengine::cuda::sample {
namespace {

using emulation::Launch;
using ::testing::ExitedWithCode;  // NOLINT(misc-unused-using-decls): used under sanitizers

// Expects an error that has all of `parts`, and that the next launch is none the worse for it.
template <class Callable>
void ExpectFailure(const Callable& launch, std::initializer_list<std::string> parts) {
  for (const std::string_view order : kEmulatedOrders) {
    SetEmulatedOrder(order);
    const std::string failure = FailureOf(launch);
    for (const std::string& part : parts) {
      EXPECT_NE(failure.find(part), std::string::npos) << part << "\nis not in\n" << failure;
    }
    EXPECT_TRUE(RunSum<Bug::kNone>().right());
  }
  SetEmulatedOrder("forward");
}

TEST(EmulatorBugsTest, BarrierThatHalfOfTheBlockNeverReaches) {
  ExpectFailure([] { RunSum<Bug::kHalfReturns>(); },
                {"kernel sum, block (", "barrier divergence, of 128 threads 64 wait at ",
                 LineWith("[sum barrier]"), ", 64 have ended"});
}

TEST(EmulatorBugsTest, ShuffleWithALaneThatHasEnded) {
  ExpectFailure([] { RunSum<Bug::kLaneReturns>(); },
                {"kernel sum, block (1, 0, 0), thread (", LineWith("[warp sum]"),
                 "waits for the lanes 0xffffffff, of which lane ", " has ended"});
}

// NOLINTBEGIN(bugprone-branch-clone): two lines are the point.
__global__ void WaitAtTwoLines() {
  if (threadIdx.x < 17) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}

TEST(EmulatorBugsTest, BarriersOfTwoLines) {
  ExpectFailure([] { Launch("lines", &WaitAtTwoLines, dim3(1), dim3(50), 0, nullptr); },
                {"of 50 threads 17 wait at ", " 33 wait at ", "0 have ended"});
}

enum class WarpBug {
  kOwnLaneNotInMask,
  kSourceOutsideMask,
  kMasksDiffer,
  kLinesDiffer,
  kOneWaitsForTheBlock,
  kHalfOfATensorCore,
};
template <WarpBug kBug>
__global__ void MisuseWarp() {
  const auto lane = static_cast<int>(threadIdx.x);
  if (kBug == WarpBug::kOwnLaneNotInMask) __shfl_sync(0xfffffffeu, lane, 1);
  if (kBug == WarpBug::kSourceOutsideMask && lane < 16) __shfl_xor_sync(0xffffu, lane, 16);
  if (kBug == WarpBug::kMasksDiffer) __syncwarp(lane == 3 ? 0xffffu : kAllLanes);
  if (kBug == WarpBug::kLinesDiffer) {
    if (lane == 3) {
      __syncwarp();
    } else {
      __syncwarp();
    }
  }
  if (kBug == WarpBug::kOneWaitsForTheBlock) {
    if (lane == 3) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }
  if (kBug == WarpBug::kHalfOfATensorCore && lane < 16) {
    float d[4] = {};
    TensorCoreProduct(d, {0, 0, 0, 0}, {0, 0});
  }
}
// NOLINTEND(bugprone-branch-clone)
template <WarpBug kBug>
void ExpectWarpFailure(std::initializer_list<std::string> parts) {
  ExpectFailure([] { Launch("misuse", &MisuseWarp<kBug>, dim3(1), dim3(kWarp), 0, nullptr); },
                parts);
}

TEST(EmulatorBugsTest, WarpsThatDoNotDoTheSame) {
  ExpectWarpFailure<WarpBug::kOwnLaneNotInMask>(
      {"thread (0, 0, 0)", "lane 0 is not in the mask 0xfffffffe"});
  ExpectWarpFailure<WarpBug::kSourceOutsideMask>({"a shuffle reads a lane outside its mask"});
  ExpectWarpFailure<WarpBug::kMasksDiffer>({"waits for the lanes 0x", " names 0x"});
  ExpectWarpFailure<WarpBug::kLinesDiffer>(
      {"waits for the lanes 0xffffffff", " waits at ", "emulator_bugs_test.cc:"});
  ExpectWarpFailure<WarpBug::kOneWaitsForTheBlock>({"lane 3 waits for the block at "});
  ExpectWarpFailure<WarpBug::kHalfOfATensorCore>(
      {"waits for the lanes 0xffffffff, of which lane ", " has ended", "emulator_bugs_test.cc:"});
}

TEST(EmulatorBugsTest, FullMaskInAPartOfAWarp) {
  ExpectFailure(
      [] {
        Launch("part", &MisuseWarp<WarpBug::kHalfOfATensorCore>, dim3(1), dim3(16), 0, nullptr);
      },
      {"of which lane 16 has no thread"});
}

template <int kBytes>
__global__ void CopyAskew(const unsigned char* from, int shared_offset, int global_offset) {
  NAS_SHARED(unsigned char, to, 64);
  AsyncCopy<kBytes>(to + shared_offset, from + global_offset);
}

TEST(EmulatorBugsTest, AsynchronousCopyThatIsNotAligned) {
  const DeviceArray<unsigned char> from(64);
  const auto launch = [&](int shared_offset, int global_offset) {
    return FailureOf([&] {
      Launch("askew", &CopyAskew<16>, dim3(1), dim3(1), 0, nullptr, from.get(), shared_offset,
             global_offset);
    });
  };
  EXPECT_EQ(launch(16, 32), "");
  EXPECT_NE(launch(8, 0).find("not aligned to its size"), std::string::npos);
  EXPECT_NE(launch(0, 8).find("not aligned to its size"), std::string::npos);
}

__global__ void CopyToGlobal(float* global) { AsyncCopy<4>(global, global + 1); }

TEST(EmulatorBugsTest, AsynchronousCopyToGlobalMemory) {
  const DeviceArray<float> array(2);
  ExpectFailure([&] { Launch("copy", &CopyToGlobal, dim3(1), dim3(1), 0, nullptr, array.get()); },
                {"an asynchronous copy is not to shared memory", "emulator_bugs_test.cc:"});
}

// What never waits, or waits for too little, has NaN.
TEST(EmulatorBugsTest, AsynchronousWaitForTooLittle) {
  EXPECT_EQ(RightOrders(RunSumRows<Bug::kWaitTooShort>), 0);
}

TEST(EmulatorBugsTest, TileWithoutZeros) {
  EXPECT_EQ(RightOrders([] { return RunConvolve<Bug::kTileNotZeroFilled>(); }), 0);
}

#if !defined(__SANITIZE_THREAD__)

// Wrong values, which races give as well.
TEST(EmulatorBugsTest, MissingBarriersGiveWrongValues) {
  EXPECT_EQ(RightOrders([] { return RunConvolve<Bug::kBarrierAfterLoadMissing>(); }), 0);
  EXPECT_EQ(RightOrders(RunMultiply<Bug::kTrailingBarrierMissing>), 0);
  // Right where thread 0 comes last, which is why one order is not enough.
  EXPECT_LT(RightOrders(RunSum<Bug::kBarrierBeforeSumMissing>), kOrders - 1);
  EXPECT_LT(RightOrders(RunSumRows<Bug::kTrailingBarrierMissing>), kOrders);
}

#endif

#if !defined(__SANITIZE_ADDRESS__)

TEST(EmulatorBugsTest, SharedArrayReadPastItsEndGivesWrongValues) {
  EXPECT_EQ(RightOrders(RunSum<Bug::kSharedReadPastEnd>), 0);
}

#else

TEST(EmulatorBugsDeathTest, AddressSanitizerNamesTheLineThatLeavesMemory) {
  EXPECT_DEATH(RunSum<Bug::kSharedReadPastEnd>(),
               "use-after-poison.*READ of size 4.*" + LineWith("[partial read]"));
  EXPECT_DEATH(RunConvolve<Bug::kHaloOffByOne>(),
               "heap-buffer-overflow.*READ of size 4.*" + LineWith("[tile load]"));
  EXPECT_DEATH(RunConvolve<Bug::kChannelTailStored>(),
               "heap-buffer-overflow.*WRITE of size 4.*" + LineWith("[channel store]"));
  EXPECT_DEATH(RunMultiply<Bug::kKTailLoaded>(),
               "heap-buffer-overflow.*READ of size 4.*" + LineWith("[a load]"));
}

#endif

#if defined(NASENGINE_UNDEFINED_BEHAVIOR_IS_FATAL)

// An error on a device, no matter on a CPU.
__global__ void LoadFour(const float* from, float* to) {
  Vector<float, 4> four;
  four.LoadReadOnly(from);
  *to = four.Get(0);
}

TEST(EmulatorBugsDeathTest, UndefinedBehaviorSanitizerSeesVectorsThatAreNotAligned) {
  const DeviceArray<float> array(6);
  EXPECT_DEATH(
      Launch("load", &LoadFour, dim3(1), dim3(1), 0, nullptr, array.get() + 1, array.get() + 5),
      "misaligned address.*16 byte alignment");
}

#endif

// Where what lies below the image is another's; where nothing does, AddressSanitizer sees it.
TEST(EmulatorBugsTest, HaloOffByOneGivesWrongValues) {
  EXPECT_EQ(RightOrders([] { return RunConvolve<Bug::kHaloOffByOne>({.rows_behind = 1}); }), 0);
}

#if defined(__SANITIZE_THREAD__)

// Programs that end do not wait for threads to race at the last moment.
extern "C" const char* __tsan_default_options() { return "atexit_sleep_ms=0"; }

// The exit code of a program that ThreadSanitizer found fault with.
constexpr int kRace = 66;

template <class Callable>
void ExpectRace(const Callable& run, const std::string& one, const std::string& other) {
  for (const std::string_view order : {"forward", "reverse", "random:1"}) {
    SetEmulatedOrder(order);
    EXPECT_EXIT(
        {
          run();
          std::exit(0);
        },
        ExitedWithCode(kRace), "data race.*(" + one + ".*" + other + "|" + other + ".*" + one + ")")
        << order;
  }
  SetEmulatedOrder("forward");
}

TEST(EmulatorBugsDeathTest, ThreadSanitizerNamesBothLinesOfARace) {
  ExpectRace([] { RunConvolve<Bug::kBarrierAfterLoadMissing>(); }, LineWith("[tile store]"),
             LineWith("[tile read]"));
  ExpectRace([] { RunSum<Bug::kBarrierBeforeSumMissing>(); }, LineWith("[partial store]"),
             LineWith("[partial read]"));
  ExpectRace([] { RunMultiply<Bug::kTrailingBarrierMissing>(); }, LineWith("[a load]"),
             LineWith("[tiles read]"));
  ExpectRace([] { RunSumRows<Bug::kTrailingBarrierMissing>(); }, LineWith("[copy]"),
             LineWith("[row read]"));
}

TEST(EmulatorBugsDeathTest, ThreadSanitizerSeesThatBlocksHaveNoOrder) {
  ExpectRace([] { RunSum<Bug::kTwoOwners>(); }, LineWith("[sum store]"), LineWith("[sum store]"));
}

#endif

}  // namespace
}  // namespace nasengine::cuda::sample
