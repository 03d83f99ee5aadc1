// Width multipliers: the published rounding, and what a space or a network becomes by it.
// SPDX-License-Identifier: MIT
#include "nas/space/width.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

// Output channels of stem, block 0, the first block of every stage and the feature mix.
std::vector<int64_t> Channels(const SearchSpace& space) {
  std::vector<int64_t> channels;
  const NetworkDesc network = Derive(space, LargestPath(space));
  for (const std::string name : {"stem", "block0", "block1", "block5", "block9", "block13",
                                 "block17", "block21", "feature_mix"}) {
    for (const LayerDesc& layer : network.layers) {
      if (layer.name == name) channels.push_back(layer.out.c);
    }
  }
  return channels;
}

struct WidthRow {
  double width;
  std::vector<int64_t> channels;
};

TEST(WidthTest, TheImageNetSpaceHasThePublishedChannels) {
  const std::vector<WidthRow> rows = {
      {0.35, {16, 8, 8, 16, 32, 32, 64, 112, 1280}},
      {0.50, {16, 8, 16, 24, 40, 48, 96, 160, 1280}},
      {0.75, {24, 16, 24, 32, 64, 72, 144, 240, 1280}},
      {1.00, {32, 16, 24, 40, 80, 96, 192, 320, 1280}},
      {1.12, {40, 24, 32, 48, 88, 104, 216, 360, 1432}},
      {1.30, {40, 24, 32, 56, 104, 128, 248, 416, 1664}},
      {1.35, {40, 24, 32, 56, 112, 128, 256, 432, 1728}},
      {1.40, {48, 24, 32, 56, 112, 136, 272, 448, 1792}},
  };
  for (const WidthRow& row : rows) {
    EXPECT_EQ(Channels(LoadSpace("proxyless-imagenet", row.width)), row.channels) << row.width;
  }
}

TEST(WidthTest, RoundsToMultiplesOfEightButNeverBelowNineTenths) {
  EXPECT_EQ(ScaledChannels(24, 1.12), 32);  // 26.88: 24 would be 0.893 of it
  EXPECT_EQ(ScaledChannels(16, 0.35), 8);   // 5.6
  EXPECT_EQ(ScaledChannels(1, 0.05), 8);
  EXPECT_EQ(ScaledChannels(12, 1.0), 12);
  EXPECT_EQ(ScaledChannels(1280, 0.75, WidthRule::kGrow), 1280);
  EXPECT_EQ(ScaledChannels(1280, 1.12, WidthRule::kGrow), 1432);
  EXPECT_EQ(ScaledChannels(12, 3.0, WidthRule::kFixed), 12);
}

// The published rule looks at the widths that are there: where two stages come to have the same,
// the first block of the second can be skipped and adds its input.
TEST(WidthTest, StagesThatBecomeEqualMayBeSkipped) {
  const SearchSpace space = LoadSpace("proxyless-imagenet", 0.35);
  const ChoiceNode& block13 = *space.Choices()[12];
  EXPECT_EQ(block13.candidates.size(), 7u);
  EXPECT_TRUE(HasResidual(block13.candidates[0]));
  EXPECT_EQ(LoadSpace("proxyless-imagenet", 0.5).Choices()[12]->candidates.size(), 6u);
}

TEST(WidthTest, RefusesWhatIsNoWidth) {
  for (const double width : {0.0, -1.0, 11.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_THROW(CheckWidth("--width", width), Error) << width;
    EXPECT_THROW(LoadSpace("fashion", width), Error) << width;
  }
  try {
    CheckWidth("--width", 0.0);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()), "--width: found 0, expected a number from 0.05 to 10");
  }
}

}  // namespace
}  // namespace nasengine
