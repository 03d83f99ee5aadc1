// Which processor a piece of work runs on: a value, parsed from "cpu" or "cuda:0".
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace nasengine {

enum class DeviceType { kCpu, kCuda };

struct Device {
  DeviceType type = DeviceType::kCpu;
  int ordinal = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

// Parses "cpu" or "cuda:N". Throws kInvalidArgument naming what was found and what is accepted.
Device ParseDevice(std::string_view text);
std::string ToString(const Device& device);

}  // namespace nasengine
