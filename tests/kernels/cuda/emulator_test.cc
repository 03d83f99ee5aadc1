// Kernels that are right give what they should, in whatever order their threads run, and the
// emulation refuses what a device refuses.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <thread>

#include "kernels/core/bfloat16.h"
#include "tests/kernels/cuda/emulator_fixture.h"

namespace nasengine::cuda::sample {
namespace {

using emulation::Launch;

TEST(EmulatorTest, RightKernelsAreRightInEveryOrder) {
  EXPECT_EQ(RightOrders([] { return RunConvolve<Bug::kNone>(); }), kOrders);
  EXPECT_EQ(RightOrders(RunSum<Bug::kNone>), kOrders);
  EXPECT_EQ(RightOrders(RunMultiply<Bug::kNone>), kOrders);
  EXPECT_EQ(RightOrders(RunSumRows<Bug::kNone>), kOrders);
}

TEST(EmulatorTest, TilesOfEverySizeAreRight) {
  for (const int channels : {1, 7, 8, 9}) {
    for (const int width : {1, 3, 4, 5}) {
      EXPECT_TRUE(
          RunConvolve<Bug::kNone>({.height = 3, .width = width, .channels = channels}).right())
          << channels << " channels, width " << width;
    }
  }
}

// Writes what it is at, in the order in which threads come.
__global__ void NoteTurn(int* turns, int* next) {
  const auto thread =
      static_cast<int>(threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z));
  const auto block =
      static_cast<int>(blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z));
  turns[(*next)++] = block * static_cast<int>(blockDim.x * blockDim.y * blockDim.z) + thread;
}

#if !defined(__SANITIZE_THREAD__)  // which sees that NoteTurn's threads race, as it should
std::vector<int> Turns(std::string_view order) {
  const DeviceArray<int> turns(3 * 2 * 2 * 24);
  const DeviceArray<int> next(std::vector<int>{0});
  SetEmulatedOrder(order);
  EXPECT_EQ(
      Launch("turns", &NoteTurn, dim3(3, 2, 2), dim3(4, 3, 2), 0, nullptr, turns.get(), next.get()),
      cudaSuccess);
  SetEmulatedOrder("forward");
  return turns.values();
}

TEST(EmulatorTest, ThreadsAndBlocksRunInTheOrderThatIsAskedFor) {
  std::vector<int> expected(3 * 2 * 2 * 24);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<int>(i);
  EXPECT_EQ(Turns("forward"), expected);
  const std::vector<int> random = Turns("random:7");
  EXPECT_NE(random, expected);
  EXPECT_EQ(random, Turns("random:7"));
  EXPECT_NE(random, Turns("random:8"));
  EXPECT_EQ(std::set<int>(random.begin(), random.end()).size(), expected.size());
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(Turns("reverse"), expected);
}
#endif

TEST(EmulatorTest, RefusesAnUnknownOrder) {
  for (const char* order : {"backward", "random:", "random:x", "random"}) {
    SetEmulatedOrder(order);
    EXPECT_THROW(RunSum<Bug::kNone>(), Error) << order;
  }
  SetEmulatedOrder("forward");
}

// What every shuffle gives lane i of `width` lanes, in the order in which they are asked.
__global__ void ShuffleAll(int width, int* results) {
  const auto lane = static_cast<int>(threadIdx.x);
  int* own = results + 4 * lane;
  own[0] = __shfl_sync(kAllLanes, lane, 3, width);
  own[1] = __shfl_xor_sync(kAllLanes, lane, 8, width);
  own[2] = __shfl_down_sync(kAllLanes, lane, 5, width);
  own[3] = __shfl_up_sync(kAllLanes, lane, 5, width);
}

TEST(EmulatorTest, ShufflesAsADeviceDoes) {
  for (const int width : {32, 8}) {
    const DeviceArray<int> results(4 * kWarp);
    EXPECT_EQ(
        Launch("shuffle", &ShuffleAll, dim3(1), dim3(kWarp), 0, nullptr, width, results.get()),
        cudaSuccess);
    for (int lane = 0; lane < kWarp; ++lane) {
      const int first = lane / width * width;
      const int* own = results.get() + 4 * lane;
      EXPECT_EQ(own[0], first + 3);
      // Of 8 lanes, those 8 further are beyond for the lower ones.
      EXPECT_EQ(own[1], width == 32 || lane % 16 >= 8 ? lane ^ 8 : lane);
      EXPECT_EQ(own[2], lane + 5 < first + width ? lane + 5 : lane);
      EXPECT_EQ(own[3], lane - 5 >= first ? lane - 5 : lane);
    }
  }
}

// Both halves of a warp, each with its own mask, a different number of times; f64 for the width.
__global__ void ShuffleByHalves(double* results) {
  const bool upper = threadIdx.x >= 16;
  const unsigned mask = upper ? 0xffff0000u : 0x0000ffffu;
  double value = threadIdx.x;
  for (int i = 0; i < (upper ? 3 : 1); ++i) {
    value += __shfl_xor_sync(mask, value, 1);
    __syncwarp(mask);
  }
  results[threadIdx.x] = value + __shfl_sync(kAllLanes, value, 0);
}

TEST(EmulatorTest, PartsOfAWarpGoOnByThemselves) {
  for (const std::string_view order : kEmulatedOrders) {
    SetEmulatedOrder(order);
    const DeviceArray<double> results(kWarp);
    EXPECT_EQ(Launch("halves", &ShuffleByHalves, dim3(1), dim3(kWarp), 0, nullptr, results.get()),
              cudaSuccess);
    for (int lane = 0; lane < kWarp; ++lane) {
      const int pair = (lane | 1) + (lane & ~1);
      EXPECT_EQ(results.get()[lane], 1 + (lane < 16 ? pair : 4 * pair));
    }
  }
  SetEmulatedOrder("forward");
}

TEST(EmulatorTest, MultipliesOnATensorCore) {
  const auto narrowed = [](const std::vector<float>& values) {
    std::vector<BFloat16> narrow;
    for (const float value : values) narrow.push_back(Narrow(value));
    return narrow;
  };
  const std::vector<float> a = Numbers(16 * 16, 7);
  const std::vector<float> b = Numbers(16 * 8, 8);
  std::vector<float> expected = Numbers(16 * 8, 9);
  const DeviceArray<BFloat16> a_device(narrowed(a));
  const DeviceArray<BFloat16> b_device(narrowed(b));
  const DeviceArray<float> c_device(expected);
  const DeviceArray<float> d_device(16 * 8);
  EXPECT_EQ(Launch("tensor_core", &MultiplyOnTensorCore, dim3(1), dim3(kWarp), 0, nullptr,
                   a_device.get(), b_device.get(), c_device.get(), d_device.get()),
            cudaSuccess);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (std::size_t k = 0; k < 16; ++k) expected[i] += a[i / 8 * 16 + k] * b[k * 8 + i % 8];
  }
  EXPECT_EQ(d_device.values(), expected);
}

__global__ void DoNothing() {}

TEST(EmulatorTest, RefusesWhatADeviceRefusesToLaunch) {
  const auto launched = [](dim3 grid, dim3 block, std::size_t shared_bytes) {
    return Launch("nothing", &DoNothing, grid, block, shared_bytes, nullptr);
  };
  constexpr std::size_t kShared = 227 * 1024;
  EXPECT_EQ(launched(dim3(1), dim3(1024), kShared), cudaSuccess);
  EXPECT_EQ(launched(dim3(1), dim3(4, 4, 64), 0), cudaSuccess);
  EXPECT_EQ(launched(dim3(1, 65535), dim3(1), 0), cudaSuccess);
  EXPECT_EQ(launched(dim3(1), dim3(1025), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(32, 33), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(1, 1, 65), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(0), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1, 65536), dim3(1), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1, 1, 65536), dim3(1), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(0), dim3(1), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(launched(dim3(1), dim3(1), kShared + 1), cudaErrorInvalidConfiguration);
}

template <int kBytes>
__global__ void TakeShared(float* result) {
  NAS_SHARED(unsigned char, bytes, kBytes);
  NAS_DYNAMIC_SHARED(float, numbers);
  bytes[kBytes - 1] = 1;
  numbers[0] = 2;
  *result = numbers[0] + bytes[kBytes - 1];
}

TEST(EmulatorTest, CountsStaticAndDynamicSharedMemoryTogether) {
  const DeviceArray<float> result(1);
  constexpr std::size_t kShared = 227 * 1024;
  const auto launch = [&](void (*kernel)(float*), std::size_t dynamic) {
    return FailureOf([&] {
      EXPECT_EQ(Launch("take", kernel, dim3(1), dim3(1), dynamic, nullptr, result.get()),
                cudaSuccess);
    });
  };
  EXPECT_EQ(launch(&TakeShared<1024>, kShared - 1024), "");
  EXPECT_EQ(result.get()[0], 3);
  EXPECT_NE(launch(&TakeShared<1024>, kShared - 1023).find("shared memory"), std::string::npos);
  EXPECT_EQ(launch(&TakeShared<48 * 1024>, 16), "");
  EXPECT_NE(launch(&TakeShared<48 * 1024 + 1>, 16).find("shared memory"), std::string::npos);
}

// Every array of a block begins as all bits set, whatever the block before left there.
__global__ void ReadThenWrite(float* results) {
  NAS_SHARED(float, number, 1);
  NAS_DYNAMIC_SHARED(float, numbers);
  results[2 * blockIdx.x] = number[0];
  results[2 * blockIdx.x + 1] = numbers[2];
  number[0] = 1;
  numbers[2] = 1;
}

TEST(EmulatorTest, SharedMemoryBeginsAsNan) {
  const DeviceArray<float> results(8);
  EXPECT_EQ(Launch("read", &ReadThenWrite, dim3(4), dim3(1), 12, nullptr, results.get()),
            cudaSuccess);
  for (const float value : results.values()) EXPECT_TRUE(std::isnan(value));
}

// Launches of two threads of the host do not mix.
TEST(EmulatorTest, LaunchesFromSeveralThreads) {
  const auto launch = [] {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(RunSum<Bug::kNone>().right());
  };
  std::thread other(launch);
  launch();
  other.join();
}

__global__ void ThrowInKernel() { throw std::runtime_error("thrown in a kernel"); }

TEST(EmulatorTest, AnExceptionInAKernelEndsTheLaunch) {
  const std::string failure =
      FailureOf([] { Launch("throws", &ThrowInKernel, dim3(1), dim3(64), 0, nullptr); });
  EXPECT_NE(failure.find("kernel throws, block (0, 0, 0), thread (0, 0, 0)"), std::string::npos);
  EXPECT_NE(failure.find("thrown in a kernel"), std::string::npos);
  EXPECT_TRUE(RunSum<Bug::kNone>().right());
}

}  // namespace
}  // namespace nasengine::cuda::sample
