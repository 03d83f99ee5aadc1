// Text form of a device.
// SPDX-License-Identifier: MIT
#include "kernels/core/device.h"

#include <charconv>

#include "kernels/core/error.h"

namespace nasengine {

Device ParseDevice(std::string_view text) {
  constexpr std::string_view kCudaPrefix = "cuda:";
  if (text == "cpu") return {DeviceType::kCpu, 0};
  if (text.starts_with(kCudaPrefix)) {
    const std::string_view digits = text.substr(kCudaPrefix.size());
    const char* end = digits.data() + digits.size();
    int ordinal = -1;
    const auto [rest, error] = std::from_chars(digits.data(), end, ordinal);
    if (error == std::errc() && rest == end && ordinal >= 0) return {DeviceType::kCuda, ordinal};
  }
  Throw(ErrorCode::kInvalidArgument, "device: found \"", text,
        "\", expected \"cpu\" or \"cuda:N\" with N = 0, 1, ...");
}

std::string ToString(const Device& device) {
  return device.type == DeviceType::kCpu ? "cpu" : "cuda:" + std::to_string(device.ordinal);
}

}  // namespace nasengine
