// What nvidia-smi prints, read; and what is recorded where there is none.
// SPDX-License-Identifier: MIT
#include "bench/device_clocks.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "bench/deadline.h"

namespace nasengine {
namespace {

TEST(DeviceClocksTest, ReadsALineOfNumbers) {
  const auto clocks = ParseClocks("1980, 3201, 1980, 41, 118.27, 580.95.05\n");
  EXPECT_EQ(clocks["graphics_mhz"], 1980);
  EXPECT_EQ(clocks["memory_mhz"], 3201);
  EXPECT_EQ(clocks["largest_graphics_mhz"], 1980);
  EXPECT_EQ(clocks["temperature_c"], 41);
  EXPECT_EQ(clocks["power_w"], 118.27);
  EXPECT_EQ(clocks["driver"], "580.95.05");
  EXPECT_FALSE(clocks.contains("reason"));
}

TEST(DeviceClocksTest, WhatACardDoesNotTellIsNull) {
  const auto clocks = ParseClocks("1980, [N/A], 1980, 41, [Not Supported], 580.95.05\n");
  EXPECT_TRUE(clocks["memory_mhz"].is_null());
  EXPECT_TRUE(clocks["power_w"].is_null());
  EXPECT_EQ(clocks["temperature_c"], 41);
}

TEST(DeviceClocksTest, WhatIsNotUnderstoodIsTheReason) {
  for (const std::string printed : {"sh: 1: nvidia-smi: not found", "No devices were found"}) {
    const auto clocks = ParseClocks(printed + "\n");
    EXPECT_TRUE(clocks["graphics_mhz"].is_null());
    EXPECT_TRUE(clocks["driver"].is_null());
    EXPECT_EQ(clocks["reason"], printed);
  }
  EXPECT_EQ(ParseClocks("")["reason"], "nvidia-smi: said nothing");
}

TEST(DeadlineTest, ComesAtItsShareOfTheTime) {
  EXPECT_FALSE(Deadline().passed());
  EXPECT_FALSE(Deadline().comes());
  EXPECT_TRUE(Deadline(3600).comes());
  EXPECT_FALSE(Deadline().At(0.5).passed());
  EXPECT_TRUE(Deadline(0).passed());
  EXPECT_FALSE(Deadline(3600).passed());
  EXPECT_TRUE(Deadline(3600).At(0).passed());
}

}  // namespace
}  // namespace nasengine
