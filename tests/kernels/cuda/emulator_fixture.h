// What the tests of the emulation share: device memory of an exact size, and runs of the kernels of
// emulator_kernels.cuh beside what they should give.
// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/emulation/launch.h"
#include "tests/kernels/cuda/emulator_kernels.cuh"
#include "tests/support/test_device.h"

namespace nasengine::cuda::sample {

// Memory of the emulated device, which the host may use.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(std::size_t count) : count_(count) {
    void* data = nullptr;
    EXPECT_EQ(cudaMallocManaged(&data, count * sizeof(T), cudaMemAttachGlobal), cudaSuccess);
    data_ = static_cast<T*>(data);
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    std::copy(values.begin(), values.end(), data_);
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* get() const { return data_; }
  std::vector<T> values() const { return {data_, data_ + count_}; }

 private:
  std::size_t count_;
  T* data_ = nullptr;
};

// Small whole numbers, none of them 0, whose sums are exact in every order.
inline std::vector<float> Numbers(std::size_t count, unsigned seed) {
  std::vector<float> numbers(count);
  for (float& number : numbers) {
    seed = seed * 1664525u + 1013904223u;
    number = static_cast<float>(static_cast<int>(seed >> 29) - 4);
    if (number == 0) number = 4;
  }
  return numbers;
}

// What a kernel gave and should have given.
struct Outcome {
  std::vector<float> values;
  std::vector<float> expected;
  bool right() const { return values == expected; }  // no NaN equals anything
};

struct ConvolveSize {
  int height = 5;
  int width = 6;
  int channels = 13;
  int rows_behind = 0;  // in memory, of something else
};
template <Bug kBug>
Outcome RunConvolve(const ConvolveSize& size = {}) {
  const auto [height, width, channels, rows_behind] = size;
  const auto count = static_cast<std::size_t>(height * width * channels);
  const std::vector<float> x =
      Numbers(static_cast<std::size_t>((height + rows_behind) * width * channels), 1);
  const std::vector<float> w = Numbers(static_cast<std::size_t>(9 * channels), 2);
  const DeviceArray<float> x_device(x);
  const DeviceArray<float> w_device(w);
  const DeviceArray<float> y_device(count);
  const dim3 grid(static_cast<unsigned>((width + kConvColumns - 1) / kConvColumns *
                                        ((channels + kConvChannels - 1) / kConvChannels)),
                  static_cast<unsigned>((height + 1) / 2));
  EXPECT_EQ(
      emulation::Launch("convolve", &Convolve<kBug>, grid, dim3(kConvThreads), 0, nullptr,
                        x_device.get(), w_device.get(), y_device.get(), height, width, channels),
      cudaSuccess);
  Outcome outcome{y_device.values(), std::vector<float>(count)};
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const int channel = i % channels;
    for (int tap = 0; tap < 9; ++tap) {
      const int row = i / (channels * width) + tap / 3 - 1;
      const int column = i / channels % width + tap % 3 - 1;
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      outcome.expected[static_cast<std::size_t>(i)] +=
          x[static_cast<std::size_t>((row * width + column) * channels + channel)] *
          w[static_cast<std::size_t>(tap * channels + channel)];
    }
  }
  return outcome;
}

template <Bug kBug>
Outcome RunSum() {
  constexpr int kCount = 2 * kSumThreads - 7;
  const std::vector<float> x = Numbers(kCount, 3);
  const DeviceArray<float> x_device(x);
  const DeviceArray<float> sums_device(2);
  EXPECT_EQ(emulation::Launch("sum", &SumOfBlock<kBug>, dim3(2), dim3(kSumThreads), 0, nullptr,
                              x_device.get(), sums_device.get(), kCount),
            cudaSuccess);
  Outcome outcome{sums_device.values(), std::vector<float>(2)};
  for (std::size_t i = 0; i < x.size(); ++i) outcome.expected[i / kSumThreads] += x[i];
  return outcome;
}

template <Bug kBug>
Outcome RunMultiply() {
  constexpr int kM = 17;
  constexpr int kN = 19;
  constexpr int kK = 21;
  const std::vector<float> a = Numbers(kM * kK, 4);
  const std::vector<float> b = Numbers(kK * kN, 5);
  const DeviceArray<float> a_device(a);
  const DeviceArray<float> b_device(b);
  const DeviceArray<float> c_device(kM * kN);
  EXPECT_EQ(
      emulation::Launch("multiply", &Multiply<kBug>, dim3(2, 2), dim3(kProductTile, kProductTile),
                        0, nullptr, a_device.get(), b_device.get(), c_device.get(), kM, kN, kK),
      cudaSuccess);
  Outcome outcome{c_device.values(), std::vector<float>(kM * kN)};
  for (std::size_t i = 0; i < outcome.expected.size(); ++i) {
    for (std::size_t k = 0; k < kK; ++k) {
      outcome.expected[i] += a[i / kN * kK + k] * b[k * kN + i % kN];
    }
  }
  return outcome;
}

template <Bug kBug>
Outcome RunSumRows() {
  constexpr int kRows = 5;
  const std::vector<float> x = Numbers(kRows * kPipeWidth, 6);
  const DeviceArray<float> x_device(x);
  const DeviceArray<float> y_device(kPipeWidth);
  EXPECT_EQ(emulation::Launch("sum_rows", &SumRows<kBug>, dim3(1), dim3(kPipeWidth),
                              2 * kPipeWidth * sizeof(float), nullptr, x_device.get(),
                              y_device.get(), kRows),
            cudaSuccess);
  Outcome outcome{y_device.values(), std::vector<float>(kPipeWidth)};
  for (std::size_t i = 0; i < x.size(); ++i) outcome.expected[i % kPipeWidth] += x[i];
  return outcome;
}

// How many of the orders in which threads may run give what they should.
inline int RightOrders(Outcome (*run)()) {
  int right = 0;
  for (const std::string_view order : kEmulatedOrders) {
    SetEmulatedOrder(order);
    right += run().right() ? 1 : 0;
  }
  SetEmulatedOrder("forward");
  return right;
}
inline constexpr int kOrders = static_cast<int>(std::size(kEmulatedOrders));

// What `launch` says is wrong; empty where it throws nothing.
template <class Callable>
std::string FailureOf(const Callable& launch) {
  try {
    launch();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDevice);
    return error.what();
  }
  return {};
}

// "emulator_kernels.cuh:N" of the line with `mark`, as reports have it.
inline std::string LineWith(std::string_view mark) {
  std::ifstream source(NASENGINE_EMULATOR_KERNELS);
  std::string text;
  for (int line = 1; std::getline(source, text); ++line) {
    if (text.find(mark) != std::string::npos) return StrCat("emulator_kernels.cuh:", line);
  }
  ADD_FAILURE() << "no line with " << mark;
  return {};
}

}  // namespace nasengine::cuda::sample
