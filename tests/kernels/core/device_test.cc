// Device names, and the CPU's backend.
// SPDX-License-Identifier: MIT
#include "kernels/core/device.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/core/device_backend.h"
#include "kernels/core/error.h"

namespace nasengine {
namespace {

TEST(DeviceTest, ParsesAndPrints) {
  EXPECT_EQ(ParseDevice("cpu"), (Device{DeviceType::kCpu, 0}));
  EXPECT_EQ(ParseDevice("cuda:0"), (Device{DeviceType::kCuda, 0}));
  EXPECT_EQ(ParseDevice("cuda:12"), (Device{DeviceType::kCuda, 12}));
  for (const char* text : {"cpu", "cuda:0", "cuda:12"})
    EXPECT_EQ(ToString(ParseDevice(text)), text);
}

TEST(DeviceTest, RefusesWhatItDoesNotKnow) {
  for (const char* text : {"", "gpu", "CPU", "cpu:0", "cuda", "cuda:", "cuda:-1", "cuda:1x",
                           "cuda: 1", "cuda:99999999999"}) {
    try {
      ParseDevice(text);
      ADD_FAILURE() << "\"" << text << "\" was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      const std::string message = error.what();
      EXPECT_NE(message.find("\"" + std::string(text) + "\""), std::string::npos) << message;
      EXPECT_NE(message.find("cuda:N"), std::string::npos) << message;
    }
  }
}

TEST(CpuBackendTest, NamesItself) {
  const auto backend = MakeCpuBackend();
  EXPECT_EQ(backend->device(), Device{});
  EXPECT_FALSE(backend->name().empty());
}

TEST(CpuBackendTest, AllocatesZeroedAlignedMemory) {
  const auto backend = MakeCpuBackend();
  const std::size_t mib = std::size_t{1} << 20;
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4097}, 2 * mib, 5 * mib + 3}) {
    auto* data = static_cast<unsigned char*>(backend->Allocate(bytes));
    ASSERT_NE(data, nullptr) << bytes;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 64, 0U);
    if (bytes >= 2 * mib) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % (2 * mib), 0U) << "no huge page fits";
    }
    EXPECT_EQ(std::accumulate(data, data + bytes, 0ULL), 0ULL);
    data[0] = data[bytes - 1] = 1;
    backend->Free(data, bytes);
  }
}

TEST(CpuBackendTest, ReturnsNullWhenThereIsNoMemory) {
  const auto backend = MakeCpuBackend();
  EXPECT_EQ(backend->Allocate(std::numeric_limits<std::size_t>::max()), nullptr);
  EXPECT_EQ(backend->Allocate(std::numeric_limits<std::size_t>::max() / 4), nullptr);
}

TEST(CpuBackendTest, CopiesBothWays) {
  const auto backend = MakeCpuBackend();
  const std::vector<int> from = {3, 1, 4, 1, 5};
  const std::size_t bytes = from.size() * sizeof(int);
  void* device = backend->Allocate(bytes);
  ASSERT_NE(device, nullptr);
  backend->CopyFromHost(device, from.data(), bytes);
  std::vector<int> to(from.size());
  backend->CopyToHost(to.data(), device, bytes);
  backend->Synchronize();
  EXPECT_EQ(to, from);
  backend->Free(device, bytes);
}

}  // namespace
}  // namespace nasengine
