// Counts against the published tables of the ImageNet space: every candidate, whole paths.
// SPDX-License-Identifier: MIT
#include "nas/space/counts.h"

#include <gtest/gtest.h>

#include <array>

#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Row = std::array<Counts, 6>;

// Parameters and MACs of 3x3 e3, 3x3 e6, 5x5 e3, 5x5 e6, 7x7 e3, 7x7 e6 for every block shape.
struct ShapeRow {
  std::vector<int> blocks;
  Row counts;
};

std::vector<ShapeRow> PublishedRows() {
  return {
      {{1},
       {{{2592, 14601216},
         {5136, 29202432},
         {3360, 17009664},
         {6672, 34019328},
         {4512, 20622336},
         {8976, 41244672}}}},
      {{2, 3, 4},
       {{{4440, 12870144},
         {8832, 25740288},
         {5592, 16482816},
         {11136, 32965632},
         {7320, 21901824},
         {14592, 43803648}}}},
      {{5},
       {{{5624, 8184960},
         {11168, 16369920},
         {6776, 9088128},
         {13472, 18176256},
         {8504, 10442880},
         {16928, 20885760}}}},
      {{6, 7, 8},
       {{{11240, 8373120},
         {22400, 16746240},
         {13160, 9878400},
         {26240, 19756800},
         {16040, 12136320},
         {32000, 24272640}}}},
      {{9},
       {{{16120, 5856480},
         {32080, 11712960},
         {18040, 6232800},
         {35920, 12465600},
         {20920, 6797280},
         {41680, 13594560}}}},
      {{10, 11, 12},
       {{{41680, 7949760},
         {83200, 15899520},
         {45520, 8702400},
         {90880, 17404800},
         {51280, 9831360},
         {102400, 19662720}}}},
      {{13},
       {{{45552, 8702400},
         {90912, 17404800},
         {49392, 9455040},
         {98592, 18910080},
         {55152, 10584000},
         {110112, 21168000}}}},
      {{14, 15, 16},
       {{{59232, 11346048},
         {118272, 22692096},
         {63840, 12249216},
         {127488, 24498432},
         {70752, 13603968},
         {141312, 27207936}}}},
      {{17},
       {{{87072, 8255520},
         {173760, 16511040},
         {91680, 8481312},
         {182976, 16962624},
         {98592, 8820000},
         {196800, 17640000}}}},
      {{18, 19, 20},
       {{{229056, 11092032},
         {457728, 22184064},
         {238272, 11543616},
         {476160, 23087232},
         {252096, 12220992},
         {503808, 24441984}}}},
      {{21},
       {{{303040, 14704704},
         {605440, 29409408},
         {312256, 15156288},
         {623872, 30312576},
         {326080, 15833664},
         {651520, 31667328}}}},
  };
}

Counts EveryBlock(const SearchSpace& space, int candidate) {
  return CountNetwork(Derive(space, std::vector<int>(21, candidate)));
}

TEST(CountsTest, EveryCandidateOfTheImageNetSpaceMatchesThePublishedTable) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const std::vector<const ChoiceNode*> blocks = space.Choices();
  ASSERT_EQ(blocks.size(), 21u);
  size_t seen = 0;
  for (const ShapeRow& row : PublishedRows()) {
    for (const int block : row.blocks) {
      const ChoiceNode& node = *blocks[static_cast<size_t>(block - 1)];
      EXPECT_EQ(node.candidates.size(), row.blocks.size() == 3 ? 7u : 6u) << node.name;
      for (size_t i = 0; i < row.counts.size(); ++i) {
        const Counts counts = CountLayer(node.candidates[i]);
        EXPECT_EQ(counts, row.counts[i]) << node.name << " " << CandidateName(node.candidates[i])
                                         << ": " << counts.parameters << " / " << counts.macs;
        ++seen;
      }
    }
  }
  EXPECT_EQ(seen, 21u * 6u);
}

TEST(CountsTest, FixedLayersMatchThePublishedTable) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const auto count = [&](size_t node) {
    return CountLayer(std::get<LayerDesc>(space.nodes[node]));
  };
  EXPECT_EQ(count(0), (Counts{928, 10838016}));
  EXPECT_EQ(count(1), (Counts{896, 10035200}));
  EXPECT_EQ(count(23), (Counts{412160, 20070400}));
  EXPECT_EQ(count(24), (Counts{1281000, 1280000}));
}

TEST(CountsTest, PathsOfTheImageNetSpaceMatchThePublishedTotals) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  EXPECT_EQ(SupernetParameters(space), 16034168);
  EXPECT_EQ(CountPath(space, SmallestPath(space)), (Counts{2154984, 102528896}));
  EXPECT_EQ(CountPath(space, LargestPath(space)), (Counts{5103336, 606590720}));
  EXPECT_EQ(EveryBlock(space, 0), (Counts{3191928, 257422208}));
  EXPECT_EQ(EveryBlock(space, 1), (Counts{4684776, 472620800}));
  EXPECT_EQ(EveryBlock(space, 2), (Counts{3275640, 284216192}));
  EXPECT_EQ(EveryBlock(space, 3), (Counts{4852200, 526208768}));
  EXPECT_EQ(EveryBlock(space, 4), (Counts{3401208, 324407168}));
  EXPECT_EQ(EveryBlock(space, 5), (Counts{5103336, 606590720}));
  EXPECT_DOUBLE_EQ(MeanMacs(space), 373300544.0);
}

TEST(CountsTest, ProxylessMobileOperationsAtDefaultWidths) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const std::vector<std::string> names{
      "5x5_MBConv3", "3x3_MBConv3", "Zero",        "Zero",        "7x7_MBConv3", "3x3_MBConv3",
      "5x5_MBConv3", "5x5_MBConv3", "7x7_MBConv6", "5x5_MBConv3", "5x5_MBConv3", "5x5_MBConv3",
      "5x5_MBConv6", "5x5_MBConv3", "5x5_MBConv3", "5x5_MBConv3", "7x7_MBConv6", "7x7_MBConv6",
      "7x7_MBConv3", "7x7_MBConv3", "7x7_MBConv6"};
  const std::vector<int> choice = ChoiceFromNames(space, names);
  EXPECT_EQ(CountPath(space, choice), (Counts{4073520, 304227008}));
  EXPECT_EQ(CountNetwork(Derive(space, choice)), (Counts{4073520, 304227008}));
}

// 28 -> 14 -> 7 -> 4: an odd map is halved upwards, as the padded convolution does.
TEST(CountsTest, OddSizesUseTheRealOutputSize) {
  const LayerDesc layer{.name = "x",
                        .op = LayerOp::kMbconv,
                        .in = {7, 5, 4},
                        .out = OutputSize({7, 5, 4}, 2, 6),
                        .kernel = 3,
                        .stride = 2,
                        .expand = 3};
  EXPECT_EQ(layer.out, (Size3{4, 3, 6}));
  const int64_t macs = 7 * 5 * 4 * 12 + 4 * 3 * 12 * 9 + 4 * 3 * 12 * 6;
  const int64_t parameters = 4 * 12 + 24 + 9 * 12 + 24 + 12 * 6 + 12;
  EXPECT_EQ(CountLayer(layer), (Counts{parameters, macs}));
}

TEST(CountsTest, TheDefaultSpaceStaysWithinItsBudget) {
  const SearchSpace space = LoadSpace("fashion");
  EXPECT_LE(MeanMacs(space), 6e6);
  EXPECT_GE(space.searchable_blocks(), 5);
}

}  // namespace
}  // namespace nasengine
