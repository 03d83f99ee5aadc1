// Counting, deriving and re-sizing of search spaces.
// SPDX-License-Identifier: MIT
#include "nas/space/search_space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "kernels/core/error.h"
#include "nas/space/counts.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

std::string MessageOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(SearchSpaceTest, ImageNetSpaceHasThePublishedNumbers) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  EXPECT_EQ(space.searchable_blocks(), 21);
  EXPECT_EQ(space.architecture_parameters(), 141);
  EXPECT_EQ(space.NetworkCount(), "221502229807900608");
  EXPECT_NEAR(space.networks_log10(), 17.345378, 1e-6);
  // Entropy of even alphas, mean over the blocks.
  double entropy = 0.0;
  for (const ChoiceNode* node : space.Choices()) {
    entropy += std::log(static_cast<double>(node->candidates.size()));
  }
  EXPECT_NEAR(entropy / 21, 1.901867, 1e-6);
  EXPECT_EQ(space.batch_norm, (BatchNormDesc{0.1, 1e-3}));
}

// The same blocks as for ImageNet, on maps of 32, 32, 16, 8, 8, 4 and 4 rows.
TEST(SearchSpaceTest, CifarIsTheSameChainForSmallImages) {
  const SearchSpace space = LoadSpace("cifar");
  const SearchSpace imagenet = LoadSpace("proxyless-imagenet");
  EXPECT_EQ(space.input, (Size3{32, 32, 3}));
  EXPECT_EQ(space.classes, 10);
  EXPECT_EQ(space.NetworkCount(), imagenet.NetworkCount());
  const std::vector<int64_t> rows = {32, 16, 8, 8, 4, 4};
  for (size_t block = 0; block < 21; ++block) {
    const ChoiceNode& ours = *space.Choices()[block];
    const ChoiceNode& theirs = *imagenet.Choices()[block];
    ASSERT_EQ(ours.candidates.size(), theirs.candidates.size()) << ours.name;
    for (size_t i = 0; i < ours.candidates.size(); ++i) {
      EXPECT_EQ(ours.candidates[i].out,
                (Size3{rows[block / 4], rows[block / 4], theirs.candidates[i].out.c}));
      EXPECT_EQ(CountLayer(ours.candidates[i]).parameters,
                CountLayer(theirs.candidates[i]).parameters);
      EXPECT_EQ(HasResidual(ours.candidates[i]), HasResidual(theirs.candidates[i]));
    }
  }
}

TEST(SearchSpaceTest, CandidatesComeInThePublishedOrder) {
  const SearchSpace space = LoadSpace("proxyless-imagenet");
  const ChoiceNode& block2 = *space.Choices()[1];
  std::string names;
  for (const LayerDesc& candidate : block2.candidates) names += CandidateName(candidate) + " ";
  EXPECT_EQ(names, "3x3_MBConv3 3x3_MBConv6 5x5_MBConv3 5x5_MBConv6 7x7_MBConv3 7x7_MBConv6 Zero ");
  EXPECT_TRUE(HasResidual(block2.candidates[0]));
  EXPECT_FALSE(HasResidual(space.Choices()[0]->candidates[0]));
  EXPECT_EQ(block2.candidates[6].in, block2.candidates[6].out);
}

TEST(SearchSpaceTest, AResidualNeedsStrideOneAndEqualChannels) {
  LayerDesc layer{.name = "x", .op = LayerOp::kMbconv, .in = {8, 8, 4}, .out = {8, 8, 4}};
  EXPECT_TRUE(HasResidual(layer));
  layer.stride = 2;
  EXPECT_FALSE(HasResidual(layer));
  layer.stride = 1;
  layer.out.c = 5;
  EXPECT_FALSE(HasResidual(layer));
  layer.out.c = 4;
  layer.op = LayerOp::kConv;
  EXPECT_FALSE(HasResidual(layer));
}

TEST(SearchSpaceTest, DeriveKeepsNamesAndTheChosenCandidates) {
  const SearchSpace space = LoadSpace("fashion");
  const std::vector<int> choice = SmallestPath(space);
  const NetworkDesc network = Derive(space, choice);
  ASSERT_EQ(network.layers.size(), space.nodes.size());
  ASSERT_EQ(network.architecture.size(), choice.size());
  EXPECT_EQ(network.space, "fashion");
  EXPECT_EQ(ChoiceFromNames(space, network.architecture), choice);
  EXPECT_EQ(network.layers.back().dropout, space.recipe.dropout);
  EXPECT_NO_THROW(CheckNetwork(network, "fashion"));
  EXPECT_NE(std::find(network.architecture.begin(), network.architecture.end(), "Zero"),
            network.architecture.end());
}

// In the first block, from 8 to 64 channels at stride 2, the wide kernel costs more; in the others,
// of 64 channels, the wide expansion. A path that takes one candidate for all decides by the sum.
TEST(SearchSpaceTest, PathsOfTiedBlocksAreWeighedTogether) {
  const auto space = [](const std::string& share) {
    return ParseSpace(R"(version = 1
name = "t"
input = [16, 16, 1]
classes = 4
[[layer]]
name = "stem"
op = "conv"
channels = 8
kernel = 3
[[stage]]
channels = 64
blocks = 3
stride = 2
candidates = ["7x7_MBConv3", "3x3_MBConv4", "3x3_MBConv1"]
)" + share + R"([[layer]]
name = "classifier"
op = "classifier"
)",
                      "t.toml");
  };
  const SearchSpace own = space("");
  const SearchSpace tied = space("share = 'stage'\n");
  EXPECT_EQ(LargestPath(own), (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(LargestPath(tied), (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(SmallestPath(tied), (std::vector<int>{2, 2, 2}));
  EXPECT_EQ(LargestPathBeside(own, LargestPath(own)), (std::vector<int>{1, 0, 0}));
  EXPECT_EQ(LargestPathBeside(tied, LargestPath(tied)), (std::vector<int>{0, 0, 0}));
  EXPECT_EQ(PathOfGates(tied, std::vector<int>{2}), (std::vector<int>{2, 2, 2}));
  EXPECT_EQ(MessageOf([&] { PathOfGates(own, std::vector<int>{2}); }),
            "space t: found a choice for 1 gates, expected 3");
  EXPECT_NO_THROW(Derive(tied, std::vector<int>{0, 1, 2})) << "only searches are tied";
}

TEST(SearchSpaceTest, WrongChoicesAreRefusedWithTheNumbers) {
  const SearchSpace space = LoadSpace("fashion");
  EXPECT_EQ(MessageOf([&] { Derive(space, std::vector<int>{0}); }),
            "space fashion: found a choice for 1 blocks, expected 7");
  EXPECT_EQ(MessageOf([&] {
              Derive(space, std::vector<int>{6, 0, 0, 0, 0, 0, 0});
            }),
            "space fashion, block 'block1': found candidate 6, expected 0 to 5");
  std::vector<std::string> names(7, "3x3_MBConv3");
  names[0] = "Zero";
  EXPECT_EQ(MessageOf([&] { ChoiceFromNames(space, names); }),
            "space fashion, block 'block1': found 'Zero', expected one of 3x3_MBConv3 3x3_MBConv6 "
            "5x5_MBConv3 5x5_MBConv6 7x7_MBConv3 7x7_MBConv6");
}

TEST(SearchSpaceTest, WithDataWorksEverySizeOutAnew) {
  const SearchSpace space = WithData(LoadSpace("fashion"), {33, 30, 3}, 47);
  const NetworkDesc network = Derive(space, SmallestPath(space));
  EXPECT_EQ(network.input, (Size3{33, 30, 3}));
  EXPECT_EQ(network.layers.front().in, (Size3{33, 30, 3}));
  EXPECT_EQ(network.layers[1].out, (Size3{17, 15, 24}));
  EXPECT_EQ(network.layers.back().in, (Size3{9, 8, 128}));
  EXPECT_EQ(network.layers.back().out, (Size3{1, 1, 47}));
  EXPECT_NO_THROW(CheckNetwork(network, "resized"));
  EXPECT_EQ(WithData(space, {28, 28, 1}, 10), LoadSpace("fashion"));
}

TEST(SearchSpaceTest, WithDataRefusesMapsThatBecomeTooSmall) {
  const SearchSpace space = LoadSpace("fashion");
  EXPECT_NO_THROW(WithData(space, {3, 3, 1}, 10));
  EXPECT_EQ(MessageOf([&] {
              WithData(space, {2, 2, 1}, 10);
            }),
            "space fashion with images of 2x2x1: found stride 2 of 'block3' on a map of 1x1, "
            "expected at least 2x2: use larger images or fewer strides");
  EXPECT_EQ(MessageOf([&] {
              WithData(space, {28, 28, 1}, 1);
            }),
            "space fashion: found 1 classes, expected at least 2");
  EXPECT_EQ(MessageOf([&] {
              WithData(space, {28, 0, 1}, 10);
            }),
            "space fashion: found images of 28x0x1, expected sizes of at least 1");
}

}  // namespace
}  // namespace nasengine
