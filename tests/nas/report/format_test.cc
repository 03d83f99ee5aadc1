// SPDX-License-Identifier: MIT
#include "nas/report/format.h"

#include <gtest/gtest.h>

namespace nasengine {
namespace {

TEST(FormatTest, GroupsDigits) {
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(16034168), "16,034,168");
  EXPECT_EQ(FormatCount(-123456), "-123,456");
}

TEST(FormatTest, ChoosesBinaryUnits) {
  EXPECT_EQ(FormatBytes(812), "812 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(std::int64_t{120} << 20), "120.0 MiB");
  EXPECT_EQ(FormatBytes(std::int64_t{5} << 29), "2.50 GiB");
}

TEST(FormatTest, ChoosesUnitsOfTime) {
  EXPECT_EQ(FormatSeconds(0.421), "0.42 s");
  EXPECT_EQ(FormatSeconds(38.14), "38.1 s");
  EXPECT_EQ(FormatSeconds(59.99), "1m 00s");
  EXPECT_EQ(FormatSeconds(365), "6m 05s");
  EXPECT_EQ(FormatSeconds(7380), "2h 03m");
  EXPECT_EQ(FormatSeconds(3599.9), "1h 00m");
}

TEST(FormatTest, KeepsFourDigitsOfALatency) {
  EXPECT_EQ(FormatMs(0.123456), "0.1235 ms");
  EXPECT_EQ(FormatMs(12), "12.00 ms");
}

}  // namespace
}  // namespace nasengine
