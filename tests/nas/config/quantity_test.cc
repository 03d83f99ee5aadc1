// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <string>

#include "kernels/core/error.h"
#include "nas/config/run_config.h"

namespace nasengine {
namespace {

TEST(QuantityTest, ReadsLatencies) {
  EXPECT_DOUBLE_EQ(ParseReference("--x", "20ms").value, 20);
  EXPECT_DOUBLE_EQ(ParseReference("--x", "0.5 ms").value, 0.5);
  EXPECT_DOUBLE_EQ(ParseReference("--x", "150us").value, 0.15);
  EXPECT_DOUBLE_EQ(ParseReference("--x", "1s").value, 1000);
}

TEST(QuantityTest, ReadsTimes) {
  EXPECT_DOUBLE_EQ(ParseSeconds("--x", "90s"), 90);
  EXPECT_DOUBLE_EQ(ParseSeconds("--x", "20m"), 1200);
  EXPECT_DOUBLE_EQ(ParseSeconds("--x", "1.5h"), 5400);
}

TEST(QuantityTest, TellsTimesFromPlainNumbers) {
  EXPECT_TRUE(ParseReference("--x", "20ms").is_time);
  EXPECT_TRUE(ParseReference("--x", "1s").is_time);
  EXPECT_FALSE(ParseReference("--x", "300").is_time);
  EXPECT_EQ(ParseReference("--x", "300").value, 300);
}

TEST(QuantityTest, ReadsSizes) {
  EXPECT_EQ(ParseBytes("--x", "2GiB"), std::int64_t{2} << 30);
  EXPECT_EQ(ParseBytes("--x", "512 MiB"), std::int64_t{512} << 20);
  EXPECT_EQ(ParseBytes("--x", "800000000"), 800000000);
  EXPECT_EQ(ParseBytes("--x", "1GB"), 1000000000);
}

TEST(QuantityTest, RefusesWithFlagAndValue) {
  for (const std::string text : {"", "ms", "-3ms", "0ms", "nanms", "infms", "1e999ms", "3x"}) {
    try {
      ParseReference("--reference-latency", text);
      FAIL() << "accepted '" << text << "'";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("--reference-latency: found '" + text + "'"),
                std::string::npos)
          << error.what();
    }
  }
  EXPECT_THROW(ParseSeconds("--x", "5d"), Error);
  EXPECT_THROW(ParseBytes("--x", "2 apples"), Error);
  EXPECT_THROW(ParseBytes("--x", "0.2B"), Error);
  EXPECT_THROW(ParseBytes("--x", "99999999TiB"), Error);
}

}  // namespace
}  // namespace nasengine
