// The emulation's part of the CUDA runtime: memory, copies, and machines without a device.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/emulation/launch.h"
#include "kernels/cuda/portable.cuh"

namespace nasengine::cuda {
namespace {

constexpr std::size_t kCount = 1000;

__global__ void Double(int* numbers, int count) {
  const auto i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) numbers[i] *= 2;
}

class EmulatedRuntimeTest : public ::testing::Test {
 protected:
  ~EmulatedRuntimeTest() override {
    unsetenv("NASENGINE_EMULATED_GUARD");
    unsetenv("NASENGINE_EMULATED_ERROR");
  }

  // Numbers to the device, doubled there, and back.
  static void ExpectDoubled() {
    std::vector<int> numbers(kCount, 21);
    const std::size_t bytes = kCount * sizeof(int);
    void* device = nullptr;
    ASSERT_EQ(cudaMalloc(&device, bytes), cudaSuccess);
    EXPECT_EQ(cudaMemcpyAsync(device, numbers.data(), bytes, cudaMemcpyHostToDevice, nullptr),
              cudaSuccess);
    EXPECT_EQ(emulation::Launch("double", &Double, dim3(8), dim3(128), 0, nullptr,
                                static_cast<int*>(device), static_cast<int>(kCount)),
              cudaSuccess);
    EXPECT_EQ(cudaMemcpyAsync(numbers.data(), device, bytes, cudaMemcpyDeviceToHost, nullptr),
              cudaSuccess);
    EXPECT_EQ(numbers, std::vector<int>(kCount, 42));
    EXPECT_EQ(cudaFree(device), cudaSuccess);
  }
};

TEST_F(EmulatedRuntimeTest, CopiesThereAndBack) { ExpectDoubled(); }

TEST_F(EmulatedRuntimeTest, GuardedMemoryServesKernelsAndCopies) {
  setenv("NASENGINE_EMULATED_GUARD", "1", 1);
  for (int i = 0; i < 3; ++i) ExpectDoubled();
  std::vector<void*> kept(20);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    ASSERT_EQ(cudaMalloc(&kept[i], (i % 7 + 1) * 50000), cudaSuccess);
    ASSERT_EQ(cudaMemsetAsync(kept[i], static_cast<int>(i), (i % 7 + 1) * 50000, nullptr),
              cudaSuccess);
    if (i % 3 == 2) {
      ASSERT_EQ(cudaFree(kept[i - 1]), cudaSuccess);
      kept[i - 1] = nullptr;
    }
    ExpectDoubled();
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i] == nullptr) continue;
    std::string bytes((i % 7 + 1) * 50000, 'x');
    ASSERT_EQ(cudaMemcpyAsync(bytes.data(), kept[i], bytes.size(), cudaMemcpyDeviceToHost, nullptr),
              cudaSuccess);
    EXPECT_EQ(bytes, std::string(bytes.size(), static_cast<char>(i)));
    EXPECT_EQ(cudaFree(kept[i]), cudaSuccess);
  }
}

using EmulatedRuntimeDeathTest = EmulatedRuntimeTest;

// Writes to memory that a card would not let it write to.
void TouchFromHost() {
  void* device = nullptr;
  cudaMalloc(&device, kCount);
  cudaMemsetAsync(device, 0, kCount, nullptr);
  static_cast<volatile char*>(device)[kCount / 2] = 1;
}

TEST_F(EmulatedRuntimeDeathTest, GuardedMemoryIsOutOfTheHostsReach) {
  setenv("NASENGINE_EMULATED_GUARD", "1", 1);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  EXPECT_DEATH(TouchFromHost(), "SEGV");
#else
  EXPECT_EXIT(TouchFromHost(), ::testing::KilledBySignal(SIGSEGV), "");
#endif
  void* managed = nullptr;
  ASSERT_EQ(cudaMallocManaged(&managed, kCount, cudaMemAttachGlobal), cudaSuccess);
  static_cast<char*>(managed)[0] = 1;
  EXPECT_EQ(cudaFree(managed), cudaSuccess);
}

__global__ void Read(const int* data, int count) {
  static_cast<void>(data);
  static_cast<void>(count);
}

TEST_F(EmulatedRuntimeTest, KernelsTakeNoAddressesOfTheHost) {
  setenv("NASENGINE_EMULATED_GUARD", "1", 1);
  void* device = nullptr;
  ASSERT_EQ(cudaMalloc(&device, kCount), cudaSuccess);
  const auto launch = [](const int* data) {
    emulation::Launch("read", &Read, dim3(1), dim3(1), 0, nullptr, data, 1);
  };
  const int on_stack = 1;
  const auto on_heap = std::make_unique<int>(1);
  EXPECT_THROW(launch(&on_stack), Error);
  EXPECT_THROW(launch(on_heap.get()), Error);
  EXPECT_NO_THROW(launch(nullptr));
  EXPECT_NO_THROW(launch(static_cast<int*>(device)));
  // The end of what a kernel need not read.
  EXPECT_NO_THROW(launch(static_cast<int*>(device) + kCount));
  EXPECT_EQ(cudaFree(device), cudaSuccess);
}

TEST_F(EmulatedRuntimeTest, RefusesCopiesBesideTheDevicesMemory) {
  void* device = nullptr;
  void* pinned = nullptr;
  ASSERT_EQ(cudaMalloc(&device, kCount), cudaSuccess);
  ASSERT_EQ(cudaMallocHost(&pinned, kCount), cudaSuccess);
  char host[kCount];
  const auto copied = [](void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  };
  char* end = static_cast<char*>(device) + kCount;
  EXPECT_EQ(copied(device, host, kCount, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(copied(end - 10, pinned, 10, cudaMemcpyHostToDevice), cudaSuccess);
  EXPECT_EQ(copied(end - 10, pinned, 11, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copied(host, pinned, 10, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copied(pinned, device, 10, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(copied(device, end - 10, 10, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(copied(pinned, end - 10, 10, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(host, 0, 10, nullptr), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(pinned), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFreeHost(device), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(device), cudaSuccess);
  EXPECT_EQ(cudaFree(device), cudaErrorInvalidValue);
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST_F(EmulatedRuntimeTest, MemoryEnds) {
  std::size_t free_before = 0;
  std::size_t total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_before, &total), cudaSuccess);
  void* data = nullptr;
  EXPECT_EQ(cudaMalloc(&data, total + 1), cudaErrorMemoryAllocation);
  ASSERT_EQ(cudaMalloc(&data, kCount), cudaSuccess);
  std::size_t free_now = 0;
  ASSERT_EQ(cudaMemGetInfo(&free_now, &total), cudaSuccess);
  EXPECT_EQ(free_now, free_before - kCount);
  EXPECT_EQ(cudaFree(data), cudaSuccess);
}

TEST_F(EmulatedRuntimeTest, EventsMeasureTime) {
  cudaEvent_t start = nullptr;
  cudaEvent_t stop = nullptr;
  ASSERT_EQ(cudaEventCreateWithFlags(&start, cudaEventDefault), cudaSuccess);
  ASSERT_EQ(cudaEventCreateWithFlags(&stop, cudaEventDefault), cudaSuccess);
  cudaEventRecord(start, nullptr);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  cudaEventRecord(stop, nullptr);
  float milliseconds = 0;
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, stop), cudaSuccess);
  EXPECT_GE(milliseconds, 5);
  cudaEventDestroy(start);
  cudaEventDestroy(stop);
}

// What cudaGetDeviceCount gives where there is no driver, the toolkit's stub of one, or no device.
TEST_F(EmulatedRuntimeTest, FindsNoDevice) {
  int count = -1;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
  const struct {
    const char* code;
    cudaError_t error;
    std::string name;
    std::string text;
  } cases[] = {
      {"35", cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
       "CUDA driver version is insufficient for CUDA runtime version"},
      {"34", cudaErrorStubLibrary, "cudaErrorStubLibrary", "CUDA driver is a stub library"},
      {"100", cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
  };
  for (const auto& expected : cases) {
    setenv("NASENGINE_EMULATED_ERROR", expected.code, 1);
    count = -1;
    const cudaError_t error = cudaGetDeviceCount(&count);
    EXPECT_EQ(error, expected.error);
    EXPECT_EQ(count, -1);
    EXPECT_EQ(cudaGetErrorName(error), expected.name);
    EXPECT_EQ(cudaGetErrorString(error), expected.text);
  }
}

}  // namespace
}  // namespace nasengine::cuda
