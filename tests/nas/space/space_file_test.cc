// Space files: what a good one means, and the exact words about bad ones.
// SPDX-License-Identifier: MIT
#include "nas/space/space_file.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Line 1 to 4, then the layers under test from line 5 on.
constexpr const char* kHead = R"(version = 1
name = "t"
input = [8, 8, 3]
classes = 4
)";

constexpr const char* kStem = R"([[layer]]
name = "stem"
op = "conv"
channels = 8
kernel = 3
)";

constexpr const char* kClassifier = R"([[layer]]
name = "classifier"
op = "classifier"
)";

std::string Refusal(const std::string& toml) {
  try {
    ParseSpace(toml, "t.toml");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "no error";
}

std::string WithLayers(const std::string& layers) { return kHead + layers; }

TEST(SpaceFileTest, SectionsCountInTheOrderOfTheFile) {
  const SearchSpace space = ParseSpace(WithLayers(std::string(kStem) + R"([[stage]]
channels = 8
blocks = 2
stride = 1
candidates = ["3x3_MBConv3"]
zero = true
[[layer]]
name = "between"
op = "mbconv"
channels = 12
kernel = 5
stride = 2
expand = 2
[[stage]]
channels = 16
blocks = 2
candidates = ["7x7_MBConv1", "3x3_MBConv6"]
)" + kClassifier),
                                       "t.toml");
  ASSERT_EQ(space.nodes.size(), 7u);
  EXPECT_EQ(std::get<ChoiceNode>(space.nodes[1]).candidates.size(), 2u);
  const auto& between = std::get<LayerDesc>(space.nodes[3]);
  EXPECT_EQ(between.name, "between");
  EXPECT_EQ(between.inputs, std::vector<std::string>{"block2"});
  EXPECT_EQ(between.in, (Size3{8, 8, 8}));
  EXPECT_EQ(between.out, (Size3{4, 4, 12}));
  EXPECT_EQ(std::get<ChoiceNode>(space.nodes[4]).name, "block3");
  EXPECT_EQ(space.NetworkCount(), "16");
  EXPECT_EQ(space.recipe, Recipe{});
}

TEST(SpaceFileTest, ABlockWithOneCandidateIsFixed) {
  const SearchSpace space =
      ParseSpace(WithLayers(std::string(kStem) +
                            "[[stage]]\nchannels = 16\nblocks = 1\ncandidates = ['3x3_MBConv3']\n" +
                            kClassifier),
                 "t.toml");
  EXPECT_EQ(space.searchable_blocks(), 0);
  EXPECT_EQ(std::get<LayerDesc>(space.nodes[1]).name, "block1");
}

TEST(SpaceFileTest, BlocksMayBeGivenOneByOne) {
  const std::string stage = "[[stage]]\nchannels = 16\nstride = 2\nblocks = ";
  const SearchSpace space = ParseSpace(
      WithLayers(kStem + stage + "['5x5_MBConv3', 'Zero', '3x3_MBConv6']\n" + kClassifier), "t");
  ASSERT_EQ(space.nodes.size(), 5u);
  EXPECT_EQ(space.searchable_blocks(), 0);
  const auto layer = [&](size_t node) { return std::get<LayerDesc>(space.nodes[node]); };
  EXPECT_EQ(CandidateName(layer(1)), "5x5_MBConv3");
  EXPECT_EQ(layer(1).stride, 2);
  EXPECT_EQ(layer(2).op, LayerOp::kZero);
  EXPECT_EQ(layer(2).out, (Size3{4, 4, 16}));
  EXPECT_EQ(layer(3).name, "block3");
  EXPECT_EQ(layer(3).stride, 1);

  EXPECT_EQ(Refusal(WithLayers(kStem + stage + "['Zero']\n" + kClassifier)),
            "t.toml:13:11: found Zero for block1, which goes from 8 to 16 channels with stride 2, "
            "expected it only where size and channels stay (or use zero = true)");
  EXPECT_EQ(Refusal(WithLayers(kStem + stage + "[]\n" + kClassifier)),
            "t.toml:13:10: found an array, expected at least one block");
  EXPECT_EQ(Refusal(WithLayers(kStem + stage + "['3x3_MBConv3']\nzero = true\n" + kClassifier)),
            "t.toml:14:8: found true, expected 'zero' only where blocks is a number");
  EXPECT_EQ(Refusal(WithLayers(kStem + stage + "['3x3_MBConv3']\ncandidates = ['Zero']\n")),
            "t.toml:14:14: found an array, expected 'candidates' only where blocks is a number");
  EXPECT_EQ(Refusal(WithLayers(kStem + stage + "['3x3_MBConv3']\nshare = 'stage'\n")),
            "t.toml:14:9: found 'stage', expected 'share' only where blocks is a number");
  EXPECT_EQ(Refusal(WithLayers(kStem + stage + "'3x3_MBConv3'\n")),
            "t.toml:13:10: found '3x3_MBConv3', expected an integer from 1 to 1000");
}

TEST(SpaceFileTest, EveryLayerSaysWhatAWidthDoesToIt) {
  const auto channels = [](const std::string& rule, double width) {
    const SearchSpace space =
        ParseSpace(WithLayers(kStem + rule + "[[stage]]\nchannels = 24\n" + rule +
                              "blocks = ['3x3_MBConv3']\n" + kClassifier),
                   "t.toml", width);
    return std::pair(std::get<LayerDesc>(space.nodes[0]).out.c,
                     std::get<LayerDesc>(space.nodes[1]).out.c);
  };
  EXPECT_EQ(channels("", 2.0), std::pair(int64_t{16}, int64_t{48}));
  EXPECT_EQ(channels("width = 'scale'\n", 0.5), std::pair(int64_t{8}, int64_t{16}));
  EXPECT_EQ(channels("width = 'grow'\n", 0.5), std::pair(int64_t{8}, int64_t{24}));
  EXPECT_EQ(channels("width = 'grow'\n", 2.0), std::pair(int64_t{16}, int64_t{48}));
  EXPECT_EQ(channels("width = 'fixed'\n", 2.0), std::pair(int64_t{8}, int64_t{24}));
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + "width = 2\n" + kClassifier)),
            "t.toml:10:9: found 2, expected a string that is not empty");
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + "width = 'shrink'\n" + kClassifier)),
            "t.toml:10:9: found 'shrink', expected 'scale', 'grow' or 'fixed'");
}

TEST(SpaceFileTest, RecipeChangesSingleValues) {
  const SearchSpace space = ParseSpace(
      WithLayers(std::string(kStem) + kClassifier + "[recipe]\nbatch = 32\nalpha_lr = 1\n"),
      "t.toml");
  Recipe expected;
  expected.batch = 32;
  expected.alpha_lr = 1.0;
  EXPECT_EQ(space.recipe, expected);
}

TEST(SpaceFileTest, RefusesUnknownMissingAndMistypedKeys) {
  EXPECT_EQ(Refusal(WithLayers("[[layer]]\nname = 'a'\nop = 'conv'\nchanels = 8\nkernel = 3\n")),
            "t.toml:8:1: found the key 'chanels', expected one of name op inputs channels width "
            "kernel stride activation key in a [[layer]] with op = 'conv'");
  EXPECT_EQ(Refusal(WithLayers("[[layer]]\nname = 'a'\nop = 'conv'\nkernel = 3\n")),
            "t.toml:5:1: found no key 'channels' in a [[layer]] with op = 'conv', expected an "
            "integer from 1 to 65536");
  EXPECT_EQ(Refusal(WithLayers("[[layer]]\nname = 'a'\n")),
            "t.toml:5:1: found no key 'op' in [[layer]], expected 'conv', 'mbconv' or "
            "'classifier'");
  EXPECT_EQ(Refusal(WithLayers("[[layer]]\nname = 'a'\nop = 'conv'\nchannels = '8'\nkernel = 3\n")),
            "t.toml:8:12: found '8', expected an integer from 1 to 65536");
  EXPECT_EQ(Refusal(std::string(kHead) + "colour = 3\n"),
            "t.toml:5:1: found the key 'colour', expected one of version name input classes "
            "batch_norm recipe layer stage in a space file");
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + kClassifier + "[recipe]\nflip = 1\n")),
            "t.toml:14:8: found 1, expected true or false");
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + kClassifier + "[recipe]\nmomentum = nan\n")),
            "t.toml:14:12: found nan, expected a number from 0 to 0.9999");
}

TEST(SpaceFileTest, RefusesImpossibleValues) {
  const std::string conv = "[[layer]]\nname = 'a'\nop = 'conv'\n";
  EXPECT_EQ(Refusal(WithLayers(conv + "channels = 8\nkernel = 3\nstride = 3\n")),
            "t.toml:10:10: found 3, expected stride 1 or 2");
  EXPECT_EQ(Refusal(WithLayers(conv + "channels = 8\nkernel = 4\n")),
            "t.toml:9:10: found 4, expected kernel 1, 3, 5 or 7");
  EXPECT_EQ(Refusal(WithLayers(conv + "channels = 0\nkernel = 3\n")),
            "t.toml:8:12: found 0, expected an integer from 1 to 65536");
  EXPECT_EQ(Refusal(WithLayers(conv + "channels = 8\nkernel = 3\nactivation = 'tanh'\n")),
            "t.toml:10:14: found 'tanh', expected 'none', 'relu' or 'relu6'");
  EXPECT_EQ(Refusal(WithLayers("[[layer]]\nname = 'a'\nop = 'pool'\n")),
            "t.toml:7:6: found 'pool', expected 'conv', 'mbconv' or 'classifier'");
  EXPECT_EQ(Refusal("version = 2\n"),
            "t.toml:1:11: found 2, expected 1, the version this program reads");
  EXPECT_EQ(Refusal("version = 1\nname = 't'\ninput = [8, 8]\n"),
            "t.toml:3:9: found an array, expected [height, width, channels]");
}

TEST(SpaceFileTest, RefusesImpossibleChains) {
  const std::string four_halvings =
      "[[stage]]\nchannels = 9\nblocks = 1\nstride = 2\ncandidates = ['3x3_MBConv3', "
      "'5x5_MBConv3']\n";
  EXPECT_EQ(Refusal(WithLayers(kStem + four_halvings + four_halvings + four_halvings +
                               four_halvings + kClassifier)),
            "t.toml:25:1: found stride 2 of 'block4' on a map of 1x1, expected at least 2x2: use "
            "larger images or fewer strides");
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + kStem + kClassifier)),
            "t.toml:10:1: found the name 'stem' a second time, expected every name once");
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + kClassifier + "inputs = ['stam']\n")),
            "t.toml:10:1: found the input 'stam' of layer 'classifier', expected the name of an "
            "earlier layer or 'input'");
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + kClassifier + "inputs = ['input']\n")),
            "t.toml:5:1: found no layer that uses the output of 'stem', expected one");
  EXPECT_EQ(Refusal(WithLayers(kStem)),
            "t.toml:5:1: found 'stem' at the end, expected a classifier");
  EXPECT_EQ(Refusal(WithLayers(std::string(kClassifier) + kStem)),
            "t.toml:5:1: found the classifier 'classifier' before other layers, expected it last");
}

TEST(SpaceFileTest, RefusesBadCandidates) {
  const auto stage = [](const std::string& rest) {
    return WithLayers(std::string(kStem) + "[[stage]]\nblocks = 1\n" + rest + kClassifier);
  };
  EXPECT_EQ(Refusal(stage("channels = 16\ncandidates = ['3x3_MBConv3', '4x4_MBConv3']\n")),
            "t.toml:13:30: found '4x4_MBConv3', expected a candidate: Zero, or KxK_MBConvE with K "
            "3, 5 or 7 and E 1 to 16");
  EXPECT_EQ(Refusal(stage("channels = 16\ncandidates = ['3x3_MBConv3', '3x3_MBConv3']\n")),
            "t.toml:13:30: found '3x3_MBConv3', expected every candidate once");
  EXPECT_EQ(Refusal(stage("channels = 16\ncandidates = ['3x3_MBConv3', 'Zero']\n")),
            "t.toml:13:30: found Zero for block1, which goes from 8 to 16 channels with stride 1, "
            "expected it only where size and channels stay (or use zero = true)");
  EXPECT_EQ(Refusal(stage("channels = 8\nstride = 2\ncandidates = ['3x3_MBConv3', 'Zero']\n")),
            "t.toml:14:30: found Zero for block1, which goes from 8 to 8 channels with stride 2, "
            "expected it only where size and channels stay (or use zero = true)");
  EXPECT_EQ(Refusal(stage("channels = 8\ncandidates = ['3x3_MBConv3', 'Zero']\n")), "no error");
  EXPECT_EQ(Refusal(stage("channels = 8\ncandidates = []\n")),
            "t.toml:13:14: found an array, expected an array of at least one candidate name");
}

TEST(SpaceFileTest, AStageThatSharesHasOneGateForItsBlocks) {
  const std::string own =
      "[[stage]]\nchannels = 16\nblocks = 2\ncandidates = ['3x3_MBConv3', "
      "'5x5_MBConv3']\n";
  const SearchSpace space =
      ParseSpace(WithLayers(kStem + own +
                            "[[stage]]\nchannels = 16\nblocks = 3\nzero = true\n"
                            "candidates = ['3x3_MBConv3', '5x5_MBConv3']\n"
                            "share = 'stage'\n" +
                            own + kClassifier),
                 "t.toml");
  EXPECT_EQ(space.searchable_blocks(), 7);
  EXPECT_EQ(space.Gates(), (std::vector<std::vector<int>>{{0}, {1}, {2, 3, 4}, {5}, {6}}));
  EXPECT_EQ(space.architecture_parameters(), 2 + 2 + 3 + 2 + 2);
  EXPECT_EQ(space.NetworkCount(), "48");
  EXPECT_EQ(WithData(space, {16, 16, 1}, 7).Gates(), space.Gates());
}

TEST(SpaceFileTest, SharedBlocksMustHaveTheSameCandidates) {
  const auto stage = [](const std::string& rest) {
    return WithLayers(std::string(kStem) + "[[stage]]\nblocks = 2\nshare = 'stage'\n" + rest +
                      kClassifier);
  };
  const std::string candidates = "candidates = ['3x3_MBConv3', '5x5_MBConv3']\n";
  EXPECT_EQ(Refusal(stage("channels = 16\nzero = true\n" + candidates)),
            "t.toml:12:9: found blocks that share a choice, block1 without and the others with "
            "Zero, expected the same candidates in all; put block1 into a stage of its own, or "
            "leave zero = true out");
  EXPECT_EQ(Refusal(stage("channels = 16\n" + candidates)), "no error");
  EXPECT_EQ(Refusal(stage("channels = 8\nzero = true\n" + candidates)), "no error");
  EXPECT_EQ(Refusal(stage("channels = 16\ncandidates = ['3x3_MBConv3']\n")), "no error")
      << "nothing to choose";
  EXPECT_EQ(Refusal(WithLayers(std::string(kStem) + "[[stage]]\nblocks = 2\nchannels = 16\n" +
                               "share = 'network'\n" + candidates + kClassifier)),
            "t.toml:13:9: found 'network', expected 'stage', or no key 'share' for a choice of its "
            "own in every block");
}

TEST(SpaceFileTest, RefusesBrokenTomlWithItsPlace) {
  EXPECT_EQ(Refusal("version = 1\nname = \n").substr(0, 14), "t.toml:2:8: fo");
  EXPECT_EQ(Refusal("version = 1\nversion = 2\n").substr(0, 9), "t.toml:2:");
}

TEST(SpaceFileTest, BuiltinSpacesEqualTheirText) {
  ASSERT_EQ(BuiltinSpaceNames().front(), "fashion");
  for (const std::string& name : BuiltinSpaceNames()) {
    const SearchSpace space = ParseSpace(BuiltinSpaceText(name), name);
    EXPECT_EQ(space.name, name);
    EXPECT_EQ(space, LoadSpace(name));
  }
  try {
    LoadSpace("fashoin");
    FAIL() << "expected a refusal";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(std::string(error.what()),
              "space 'fashoin': found neither a built-in space nor a file, expected a TOML file or "
              "one of fashion cifar proxyless-imagenet");
  }
}

}  // namespace
}  // namespace nasengine
