// The emulation itself: right kernels are right in every order, and each kind of mistake that it is
// there to find is found, by the check that is said to find it.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/emulation/launch.h"
#include "tests/kernels/cuda/planted_kernels.cuh"
#include "tests/support/test_device.h"

#if defined(__SANITIZE_THREAD__)
// A race ends the test that provokes it.
extern "C" const char* __tsan_default_options() { return "halt_on_error=1"; }
#endif

namespace nasengine::cuda {
namespace {

// Memory of exactly this size, so that AddressSanitizer sees where it ends.
std::unique_ptr<float[]> Numbers(int n) {
  auto numbers = std::make_unique<float[]>(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) numbers[static_cast<std::size_t>(i)] = static_cast<float>(i % 11 - 5);
  return numbers;
}

template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), int blocks, int threads, Arguments... arguments) {
  const cudaError_t error = emulation::Launch(
      "planted", kernel, dim3(static_cast<unsigned>(blocks)), dim3(static_cast<unsigned>(threads)),
      0, nullptr, static_cast<Parameters>(arguments)...);
  if (error != cudaSuccess) Throw(ErrorCode::kDevice, cudaGetErrorName(error));
}

// Whether the result is the expected one; throws what the emulation says.
template <Planted kBug>
bool StencilIsRight() {
  constexpr int kN = 2 * kStencilThreads - 7;
  const auto x = Numbers(kN);
  const auto y = Numbers(kN);
  Launch(Stencil<kBug>, 2, kStencilThreads, x.get(), y.get(), kN);
  bool right = true;
  for (int i = 0; i < kN; ++i) {
    const float before = i > 0 ? x[static_cast<std::size_t>(i - 1)] : 0;
    const float after = i + 1 < kN ? x[static_cast<std::size_t>(i + 1)] : 0;
    const auto at = static_cast<std::size_t>(i);
    right = right && y[at] == before + 2 * x[at] + 3 * after;
  }
  return right;
}

template <Planted kBug>
bool BlockSumIsRight() {
  constexpr int kBlocks = 3;
  const auto x = Numbers(kBlocks * kSumThreads);
  const auto y = Numbers(kBlocks);
  Launch(BlockSum<kBug>, kBlocks, kSumThreads, x.get(), y.get());
  bool right = true;
  for (int block = 0; block < kBlocks; ++block) {
    float sum = 0;
    for (int i = 0; i < kSumThreads; ++i) {
      sum += x[static_cast<std::size_t>(block * kSumThreads + i)];
    }
    right = right && y[static_cast<std::size_t>(block)] == sum;
  }
  return right;
}

template <Planted kBug>
bool ProductIsRight() {
  constexpr int kDepth = 4 * kDepthStep - 1;
  const auto x = Numbers(kRows * kDepth);
  const auto w = Numbers(kDepth);
  const auto y = Numbers(kRows);
  Launch(BufferedProduct<kBug>, 1, kRows, x.get(), w.get(), y.get(), kDepth);
  bool right = true;
  for (int row = 0; row < kRows; ++row) {
    float sum = 0;
    for (int k = 0; k < kDepth; ++k) {
      sum += x[static_cast<std::size_t>(row * kDepth + k)] * w[static_cast<std::size_t>(k)];
    }
    right = right && y[static_cast<std::size_t>(row)] == sum;
  }
  return right;
}

template <Planted kBug>
bool AsyncSumIsRight() {
  const auto x = Numbers(2 * kWarp);
  const auto y = Numbers(kWarp);
  Launch(AsyncSum<kBug>, 1, kWarp, x.get(), y.get(), kWarp);
  bool right = true;
  for (std::size_t i = 0; i < kWarp; ++i) right = right && y[i] == x[i] + x[i + kWarp];
  return right;
}

// The error of `run`, or nothing.
std::string ErrorOf(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDevice);
    return error.what();
  }
  return {};
}

class EmulatorTest : public ::testing::Test {
 protected:
  // A process of its own for what is to die: ThreadSanitizer counts fibers as threads.
  EmulatorTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  void TearDown() override { SetEmulatedOrder("forward"); }

  // In how many of the orders `run` gives the right result without an error.
  static int OrdersPassed(const std::function<bool()>& run) {
    int passed = 0;
    for (const std::string_view order : kEmulatedOrders) {
      SetEmulatedOrder(order);
      bool right = false;
      if (ErrorOf([&] { right = run(); }).empty() && right) ++passed;
    }
    return passed;
  }
  static constexpr int kOrders = 5;
};

TEST_F(EmulatorTest, RightKernelsAreRightInEveryOrder) {
  EXPECT_EQ(OrdersPassed(StencilIsRight<Planted::kNothing>), kOrders);
  EXPECT_EQ(OrdersPassed(BlockSumIsRight<Planted::kNothing>), kOrders);
  EXPECT_EQ(OrdersPassed(ProductIsRight<Planted::kNothing>), kOrders);
  EXPECT_EQ(OrdersPassed(AsyncSumIsRight<Planted::kNothing>), kOrders);
}

TEST_F(EmulatorTest, TensorCoreProductIsAProduct) {
  std::vector<BFloat16> a(16 * 16);
  std::vector<BFloat16> b(16 * 8);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = Narrow(static_cast<float>(i * 7 % 13) - 6);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = Narrow(static_cast<float>(i * 5 % 11) - 5);
  std::vector<float> d(16 * 8);
  Launch(FragmentProduct<>, 1, kWarp, a.data(), b.data(), d.data());
  for (std::size_t row = 0; row < 16; ++row) {
    for (std::size_t column = 0; column < 8; ++column) {
      float sum = 0;
      for (std::size_t k = 0; k < 16; ++k) sum += Widen(a[row * 16 + k]) * Widen(b[k * 8 + column]);
      EXPECT_EQ(d[row * 8 + column], sum) << row << " " << column;
    }
  }
}

#if !defined(__SANITIZE_THREAD__)

// By their values, since shared memory starts as NaN.
TEST_F(EmulatorTest, ValuesTellMissingBarriersAndUninitialisedMemory) {
  EXPECT_EQ(OrdersPassed(StencilIsRight<Planted::kNoBarrierAfterLoad>), 0);
  EXPECT_EQ(OrdersPassed(StencilIsRight<Planted::kNotZeroFilled>), 0);
  EXPECT_EQ(OrdersPassed(ProductIsRight<Planted::kNoTrailingBarrier>), 0);
  EXPECT_EQ(OrdersPassed(ProductIsRight<Planted::kPrefetchIntoWhatIsRead>), 0);
  EXPECT_EQ(OrdersPassed(AsyncSumIsRight<Planted::kWaitsForTooFew>), 0);
  // Where the thread that adds up comes last all is there: one order is no proof.
  const int passed = OrdersPassed(BlockSumIsRight<Planted::kNoBarrierBeforeFinalSum>);
  EXPECT_LT(passed, kOrders);
}

TEST_F(EmulatorTest, ThreadsThatEndEarlyAreNamed) {
  const std::string barrier = ErrorOf([] { StencilIsRight<Planted::kHalfReturnsBeforeBarrier>(); });
  EXPECT_NE(barrier.find("barrier divergence: 32 wait, 32 have ended"), std::string::npos)
      << barrier;
  EXPECT_NE(barrier.find("planted_kernels.cuh:"), std::string::npos) << barrier;
  const std::string shuffle = ErrorOf([] { BlockSumIsRight<Planted::kLaneEndsBeforeShuffle>(); });
  EXPECT_NE(shuffle.find("names lane 5, which has ended"), std::string::npos) << shuffle;
  // Nothing of the launch that failed is left.
  EXPECT_TRUE(BlockSumIsRight<Planted::kNothing>());
}

TEST_F(EmulatorTest, RefusesWhatADeviceRefuses) {
  const auto error_of = [](dim3 grid, dim3 block, std::size_t shared_bytes) {
    const auto x = Numbers(2 * kWarp);
    const auto y = Numbers(kWarp);
    return emulation::Launch("planted", AsyncSum<Planted::kNothing>, grid, block, shared_bytes,
                             nullptr, static_cast<const float*>(x.get()), y.get(), kWarp);
  };
  EXPECT_EQ(error_of(dim3(1), dim3(kWarp), 0), cudaSuccess);
  EXPECT_EQ(error_of(dim3(1), dim3(1025), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(error_of(dim3(1), dim3(1, 1, 65), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(error_of(dim3(1, 65536), dim3(kWarp), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(error_of(dim3(1, 1, 65536), dim3(kWarp), 0), cudaErrorInvalidConfiguration);
  EXPECT_EQ(error_of(dim3(1), dim3(kWarp), 228 * 1024), cudaErrorInvalidConfiguration);
  EXPECT_EQ(error_of(dim3(1), dim3(0), 0), cudaErrorInvalidConfiguration);
}

TEST_F(EmulatorTest, HasNoDeviceWhereItIsToldSo) {
  setenv("NASENGINE_EMULATED_ERROR", "35", 1);
  int count = -7;
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  EXPECT_EQ(count, -7);
  unsetenv("NASENGINE_EMULATED_ERROR");
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
  EXPECT_EQ(count, 1);
}

#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST_F(EmulatorTest, GuardedMemoryIsOutOfTheHostsReach) {
  setenv("NASENGINE_EMULATED_GUARD", "1", 1);
  void* data = nullptr;
  ASSERT_EQ(cudaMalloc(&data, 4096), cudaSuccess);
  unsetenv("NASENGINE_EMULATED_GUARD");
  const float value = 3;
  ASSERT_EQ(cudaMemcpyAsync(data, &value, sizeof(value), cudaMemcpyHostToDevice, nullptr),
            cudaSuccess);
  EXPECT_EXIT(std::exit(static_cast<int>(*static_cast<volatile float*>(data))),
              ::testing::KilledBySignal(SIGSEGV), "");
  float back = 0;
  ASSERT_EQ(cudaMemcpyAsync(&back, data, sizeof(back), cudaMemcpyDeviceToHost, nullptr),
            cudaSuccess);
  EXPECT_EQ(back, 3);
  EXPECT_EQ(cudaFree(data), cudaSuccess);
}

#endif

#if defined(__SANITIZE_ADDRESS__)

TEST_F(EmulatorTest, AddressSanitizerNamesTheLineOfEveryWrongAccess) {
  EXPECT_DEATH(StencilIsRight<Planted::kHaloOffByOne>(),
               "heap-buffer-overflow(.|\n)*READ(.|\n)*#0 [^\n]*(Stencil|BufferedProduct)");
  EXPECT_DEATH(StencilIsRight<Planted::kTailPredicateDropped>(),
               "heap-buffer-overflow(.|\n)*WRITE(.|\n)*#0 [^\n]*Stencil");
  EXPECT_DEATH(StencilIsRight<Planted::kReadsPastShared>(),
               "use-after-poison(.|\n)*READ(.|\n)*#0 [^\n]*(Stencil|BufferedProduct)");
  EXPECT_DEATH(ProductIsRight<Planted::kDepthPredicateDropped>(),
               "heap-buffer-overflow(.|\n)*READ(.|\n)*#0 [^\n]*(Stencil|BufferedProduct)");
}

#endif

#if defined(__SANITIZE_THREAD__)

// In whatever order the threads run.
TEST_F(EmulatorTest, ThreadSanitizerSeesEveryMissingBarrier) {
  for (const std::string_view order : kEmulatedOrders) {
    SetEmulatedOrder(order);
    EXPECT_DEATH(StencilIsRight<Planted::kNoBarrierAfterLoad>(),
                 "data race");
    EXPECT_DEATH(BlockSumIsRight<Planted::kNoBarrierBeforeFinalSum>(),
                 "data race");
    EXPECT_DEATH(ProductIsRight<Planted::kNoTrailingBarrier>(),
                 "data race");
    EXPECT_DEATH(ProductIsRight<Planted::kPrefetchIntoWhatIsRead>(),
                 "data race");
  }
}

#endif

}  // namespace
}  // namespace nasengine::cuda
