// Numbers as people read them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "nas/space/cost_unit.h"

namespace nasengine {

// 16034168 -> "16,034,168".
std::string FormatCount(std::int64_t value);
// "812 B", "1.5 KiB", "120.3 MiB", "2.21 GiB".
std::string FormatBytes(std::int64_t bytes);
// "0.42 s", "38.1 s", "6m 05s", "2h 03m".
std::string FormatSeconds(double seconds);
// Four significant digits with the unit: "0.1234 ms", "12.34 ms", "320.4 M".
std::string FormatMs(double ms);
std::string FormatCost(double value, const CostUnit& cost);

}  // namespace nasengine
