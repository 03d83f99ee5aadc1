// How the weights of a supernet start: by which fan, and aligned with the other candidates.
// SPDX-License-Identifier: MIT
#include "nas/supernet/weight_start.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "nas/supernet/supernet.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

using WeightStartTest = SupernetFixture;

TEST_F(WeightStartTest, DepthwiseWeightsMayStartByTheFanOutOfOneGroup) {
  SearchSpace space = TinySpace();
  Supernet whole(context(), space);
  space.recipe.weight_init = WeightInit::kFanOutPerGroup;
  Supernet per_group(context(), space);
  whole.Initialize(3);
  per_group.Initialize(3);
  const auto of = [&](const Supernet& supernet, const std::string& name) {
    const auto network = supernet.Derive(context(), Path{0, 0});
    return Copy(*network->state_dict().Find(name));
  };
  EXPECT_EQ(of(whole, "block1/expand.weight"), of(per_group, "block1/expand.weight"));
  const Floats small = of(whole, "block1/depthwise.weight");
  const Floats large = of(per_group, "block1/depthwise.weight");
  // Four channels expanded to twelve, each a group of its own.
  for (std::size_t i = 0; i < small.size(); ++i) {
    EXPECT_NEAR(large[i], std::sqrt(12.0) * small[i], 1e-6 * std::abs(large[i]));
  }
  // A derived network starts anew in the same way.
  const auto network = per_group.Derive(context(), Path{0, 0});
  network->Initialize(9);
  const auto expected = whole.Derive(context(), Path{0, 0});
  expected->Initialize(9);
  const Floats again = Copy(*network->state_dict().Find("block1/depthwise.weight"));
  const Floats base = Copy(*expected->state_dict().Find("block1/depthwise.weight"));
  EXPECT_NEAR(again[0], std::sqrt(12.0) * base[0], 1e-6 * std::abs(again[0]));
}

TEST_F(WeightStartTest, AlignedCandidatesStartAsOneFunction) {
  SearchSpace space = TinySpace({.blocks = 3});
  const Batch batch = RandomBatch(space, 4);
  const auto logits = [&](const Path& path) {
    Supernet supernet(context(), space);
    supernet.Initialize(3);
    Tape tape(context(), GradientsOf::kNothing);
    return Copy(supernet.Forward(tape, batch.images, path, {}, {}).value());
  };
  const Path skipped{0, 2, 2};
  const Path first{0, 0, 0};
  const Path second{0, 1, 1};
  EXPECT_NE(logits(first), logits(skipped));
  space.recipe.candidate_start = CandidateStart::kAligned;
  EXPECT_EQ(logits(first), logits(skipped));
  EXPECT_EQ(logits(second), logits(skipped));
  // What is derived and started anew is an ordinary network.
  const Supernet supernet(context(), space);
  const auto network = supernet.Derive(context(), first);
  network->Initialize(3);
  for (const float gamma : Copy(*network->state_dict().Find("block1/project.gamma"))) {
    EXPECT_EQ(gamma, 1);
  }
}

TEST_F(WeightStartTest, AlignedCandidatesShareTheirNumbersWhereTheyOverlap) {
  SearchSpace space = TinySpace({.candidates = kSixCandidates});
  space.recipe.candidate_start = CandidateStart::kAligned;
  Supernet supernet(context(), space);
  supernet.Initialize(3);
  const Path small{FindCandidate(*space.Choices()[0], "3x3_MBConv3"), 0};
  const Path large{FindCandidate(*space.Choices()[0], "7x7_MBConv6"), 0};
  const auto of = [&](const Path& path, const std::string& name) {
    return Copy(*supernet.Derive(context(), path)->state_dict().Find(name));
  };
  const auto c = of(small, "block1/depthwise.gamma").size();
  const auto outputs = of(small, "block1/project.gamma").size();
  ASSERT_EQ(of(large, "block1/depthwise.gamma").size(), 2 * c);

  const Floats narrow = of(small, "block1/expand.weight");
  const Floats wide = of(large, "block1/expand.weight");
  const double by_channels = std::sqrt(0.5);  // the deviations of the fans, c and 2 c
  for (std::size_t i = 0; i < narrow.size(); ++i) {
    EXPECT_NEAR(wide[i], by_channels * static_cast<double>(narrow[i]), 1e-6);
  }
  const Floats centre = of(small, "block1/depthwise.weight");
  const Floats whole = of(large, "block1/depthwise.weight");
  const double by_window = by_channels * 3 / 7;
  for (std::size_t y = 0; y < 3; ++y) {
    for (std::size_t x = 0; x < 3; ++x) {
      for (std::size_t channel = 0; channel < c; ++channel) {
        EXPECT_NEAR(whole[((y + 2) * 7 + x + 2) * 2 * c + channel],
                    by_window * static_cast<double>(centre[(y * 3 + x) * c + channel]), 1e-6);
      }
    }
  }
  const Floats few = of(small, "block1/project.weight");
  const Floats many = of(large, "block1/project.weight");
  for (std::size_t row = 0; row < outputs; ++row) {
    for (std::size_t column = 0; column < c; ++column) {
      EXPECT_EQ(many[row * 2 * c + column], few[row * c + column]);
    }
  }
  EXPECT_NE(of(small, "block1/expand.weight"),
            of(Path{small[0], small[0]}, "block2/expand.weight"));
}

}  // namespace
}  // namespace nasengine
