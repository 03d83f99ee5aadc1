// Every warning by alphas, paths and losses made up for it, and silence where all is well.
// SPDX-License-Identifier: MIT
#include "nas/search/search_health.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/core/rng.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

// A stage of four blocks, three of which can be skipped; six classes.
class SearchHealthTest : public ::testing::Test {
 protected:
  static constexpr ArchitectureKnobs kKnobs = {.alpha_lr = "the_rate",
                                               .more_steps = "more of them",
                                               .more_images = "more images",
                                               .latency = "the_weight"};

  explicit SearchHealthTest(SearchSpace space = TinySpace({.classes = 6, .blocks = 4}))
      : space_(std::move(space)) {
    for (const auto& blocks : space_.Gates()) {
      const auto block = static_cast<std::size_t>(blocks.front());
      gates_.emplace_back(static_cast<int>(space_.Choices()[block]->candidates.size()));
    }
  }

  void Start() {
    warnings_.clear();
    health_ = std::make_unique<SearchHealth>(
        space_, gates_, steps_, kKnobs,
        [this](const HealthWarning& warning) { warnings_.push_back(warning); });
  }
  // Every candidate of every block, the same number of times.
  void Warmup(int visits) {
    for (int i = 0; i < visits; ++i) {
      for (int k = 0; k < 3; ++k) {
        std::vector<int> path;
        for (const BinaryGate& gate : gates_) path.push_back(std::min(k, gate.candidates() - 1));
        health_->AfterWeightStep(path);
      }
    }
  }
  // `move(step)` moves alphas before each architecture step, whose loss is `loss(step)`.
  void Search(const std::function<void(int)>& move, const std::function<double(int)>& loss) {
    for (int step = 0; step < steps_; ++step) {
      move(step);
      health_->AfterArchitectureStep(loss(step));
    }
    health_->Finish();
  }
  // Alphas that drift apart, a little noisy, as gradients that mostly agree move them.
  void Drift(int step, double rate) {
    for (std::size_t g = 0; g < gates_.size(); ++g) {
      const std::span<float> alpha = gates_[g].alpha();
      for (std::size_t k = 0; k < alpha.size(); ++k) {
        const double noise = noise_.Normal(static_cast<std::uint64_t>(step), 8 * g + k);
        alpha[k] += static_cast<float>(rate * ((k == g % 2 ? 1.0 : -1.0) + noise));
      }
    }
  }
  // Of a search that has nothing else to complain about.
  std::set<std::string_view> NamesByLoss(const std::function<double(int)>& loss) {
    for (BinaryGate& gate : gates_) std::fill(gate.alpha().begin(), gate.alpha().end(), 0.0f);
    Start();
    Warmup(20);
    Search([&](int step) { Drift(step, 2.0 / steps_); }, loss);
    return Names();
  }
  int WarnedOfNoise(double momentum);
  double Noise(int step) { return 0.1 * noise_.Normal(static_cast<std::uint64_t>(step), 5); }
  double FallingLoss(int step) {
    return 1.7 - 0.008 * step + 0.1 * noise_.Normal(static_cast<std::uint64_t>(step), 1000);
  }
  std::set<std::string_view> Names() const {
    std::set<std::string_view> names;
    for (const HealthWarning& warning : warnings_) names.insert(warning.name);
    EXPECT_EQ(names.size(), warnings_.size()) << "a warning came twice";
    return names;
  }
  using Only = std::set<std::string_view>;

  const SearchSpace space_;
  int steps_ = 100;  // of the architecture
  const Rng noise_{4, RngPurpose::kTest};
  std::vector<BinaryGate> gates_;
  std::vector<HealthWarning> warnings_;
  std::unique_ptr<SearchHealth> health_;
};

TEST_F(SearchHealthTest, IsSilentAboutAHealthySearch) {
  Start();
  Warmup(20);
  Search([&](int step) { Drift(step, 0.02); }, [&](int step) { return FallingLoss(step); });
  EXPECT_EQ(Names(), Only{});
}

TEST_F(SearchHealthTest, NamesCandidatesThatWereHardlyTrained) {
  Start();
  Warmup(19);
  // Block 1 has two candidates, so that the last one was visited twice as often.
  Search([&](int step) { Drift(step, 0.02); }, [&](int step) { return FallingLoss(step); });
  ASSERT_EQ(Names(), Only{"starved-candidate"});
  // The first candidate of all four blocks, the second one of three; Zero has nothing to train.
  EXPECT_EQ(warnings_[0].finding,
            "7 candidates were trained in fewer than 20 weight steps before they are judged, "
            "block1's 3x3_MBConv3 in 19 of 57 (expected 28.5)");
}

TEST_F(SearchHealthTest, StepsOfAllPathsTrainEveryCandidate) {
  Start();
  for (int i = 0; i < 20; ++i) health_->AfterWeightStep({});
  Search([&](int step) { Drift(step, 0.02); }, [&](int step) { return FallingLoss(step); });
  EXPECT_EQ(Names(), Only{});
}

TEST_F(SearchHealthTest, ASearchWithoutArchitectureStepsIsJudgedAtItsEnd) {
  Start();
  Warmup(5);
  EXPECT_EQ(Names(), Only{});
  health_->Finish();
  EXPECT_EQ(Names(), Only{"starved-candidate"});
}

TEST_F(SearchHealthTest, NamesABlockThatFreezesInTheFirstHalf) {
  Start();
  Warmup(20);
  Search(
      [&](int step) {
        Drift(step, 0.02);
        if (step >= 10 && step < 20) gates_[2].alpha()[1] += 0.9f;
      },
      [&](int step) { return FallingLoss(step); });
  ASSERT_EQ(Names(), Only{"frozen-early"});
  EXPECT_EQ(warnings_[0].finding.rfind("block3 draws 5x5_MBConv3 with 99.", 0), 0u)
      << warnings_[0].finding;
  EXPECT_TRUE(warnings_[0].finding.ends_with("of 100 architecture steps"));
  EXPECT_EQ(warnings_[0].advice,
            "the other candidates no longer get a chance: lower the_rate, or use more "
            "--warmup-epochs");
}

TEST_F(SearchHealthTest, ABlockMayDecideInTheSecondHalf) {
  Start();
  Warmup(20);
  Search(
      [&](int step) {
        Drift(step, 0.02);
        if (step >= 45 && step < 55) gates_[2].alpha()[1] += 0.9f;
      },
      [&](int step) { return FallingLoss(step); });
  EXPECT_EQ(Names(), Only{});
}

TEST_F(SearchHealthTest, NamesTheOnlyStageWhereItVanishes) {
  Start();
  Warmup(20);
  const auto drift_to_zero = [&](std::size_t blocks) {
    return [this, blocks](int step) {
      Drift(step, 0.01);
      for (std::size_t g = 1; g < 1 + blocks; ++g) gates_[g].alpha()[2] += 0.06f;
    };
  };
  Search(drift_to_zero(2), [&](int step) { return FallingLoss(step); });
  EXPECT_EQ(Names(), Only{}) << "one of three blocks stays";
  for (BinaryGate& gate : gates_) std::fill(gate.alpha().begin(), gate.alpha().end(), 0.0f);
  Start();
  Warmup(20);
  Search(drift_to_zero(3), [&](int step) { return FallingLoss(step); });
  ASSERT_EQ(Names(), Only{"stage-all-zero"});
  EXPECT_EQ(warnings_[0].finding,
            "all 3 blocks that can be skipped favour Zero after 50 of 100 architecture steps");
  EXPECT_EQ(warnings_[0].advice,
            "if that costs accuracy, lower the_weight, raise --reference-latency, or use more "
            "--warmup-epochs");
}

// Stages of three, three and two blocks: all but each first one can be skipped.
SearchSpace ThreeStages() {
  std::string stages;
  for (const auto& [channels, blocks] : {std::pair{8, 3}, {12, 3}, {16, 2}}) {
    stages +=
        StrCat("[[stage]]\nchannels = ", channels, "\nblocks = ", blocks,
               "\nstride = 1\ncandidates = [\"3x3_MBConv3\", \"5x5_MBConv3\"]\nzero = true\n");
  }
  return ParseSpace(
      StrCat("version = 1\nname = \"stages\"\ninput = [8, 8, 2]\nclasses = 6\n[[layer]]\n"
             "name = \"stem\"\nop = \"conv\"\nkernel = 3\nchannels = 4\nactivation = \"relu6\"\n"
             "key = \"Conv\"\n",
             stages, "[[layer]]\nname = \"classifier\"\nop = \"classifier\"\n"),
      "stages.toml");
}

class HealthOfStagesTest : public SearchHealthTest {
 protected:
  HealthOfStagesTest() : SearchHealthTest(ThreeStages()) {}

  // A search of which these blocks, from 0, come to favour Zero.
  Only NamesWithout(const std::set<std::size_t>& blocks) {
    for (BinaryGate& gate : gates_) std::fill(gate.alpha().begin(), gate.alpha().end(), 0.0f);
    Start();
    Warmup(20);
    Search(
        [&](int step) {
          Drift(step, 0.01);
          for (const std::size_t block : blocks) gates_[block].alpha()[2] += 0.06f;
        },
        [&](int step) { return FallingLoss(step); });
    return Names();
  }
};

TEST_F(HealthOfStagesTest, AStageMayVanish) {
  EXPECT_EQ(NamesWithout({1, 2}), Only{}) << "as the first one of the published Proxyless-GPU";
  EXPECT_EQ(NamesWithout({1, 2, 7}), Only{}) << "the third stage is as well without its one block";
}

TEST_F(HealthOfStagesTest, NamesTwoStagesThatVanish) {
  ASSERT_EQ(NamesWithout({1, 2, 4, 5}), Only{"stage-all-zero"});
  EXPECT_EQ(warnings_[0].finding,
            "all blocks that can be skipped in block1 to block3 and in block4 to block6 favour "
            "Zero after 50 of 100 architecture steps");
  ASSERT_EQ(NamesWithout({1, 2, 4, 5, 7}), Only{"stage-all-zero"});
  EXPECT_EQ(warnings_[0].finding,
            "all 5 blocks that can be skipped favour Zero after 50 of 100 architecture steps");
}

TEST_F(SearchHealthTest, NamesChoicesThatStayOpen) {
  Start();
  Warmup(20);
  Search([&](int step) { Drift(step, 1e-4); }, [&](int step) { return FallingLoss(step); });
  ASSERT_EQ(Names(), Only{"entropy-flat"});
  EXPECT_EQ(warnings_[0].advice,
            "an alpha moves by about the_rate a step: raise the_rate, use more --epochs or more of "
            "them");
}

TEST_F(SearchHealthTest, AnEvenDriftIsNotFlatHalfway) {
  const auto search = [&](double first_half, double second_half) {
    for (BinaryGate& gate : gates_) std::fill(gate.alpha().begin(), gate.alpha().end(), 0.0f);
    double before = 0;
    for (const BinaryGate& gate : gates_) before += gate.Entropy();
    Start();
    Warmup(20);
    std::vector<double> left;  // of the entropy, halfway and at the end
    Search(
        [&](int step) {
          const double way = step < steps_ / 2 ? first_half : second_half;
          for (BinaryGate& gate : gates_) gate.alpha()[0] += static_cast<float>(2 * way / steps_);
          if (step + 1 != steps_ / 2 && step + 1 != steps_) return;
          double entropy = 0;
          for (const BinaryGate& gate : gates_) entropy += gate.Entropy();
          left.push_back(entropy / before);
        },
        [&](int step) { return FallingLoss(step); });
    return left;
  };
  const std::vector<double> even = search(0.62, 0.62);
  EXPECT_NEAR(even[0], 0.955, 0.005);
  EXPECT_NEAR(even[1], 0.82, 0.01);
  EXPECT_EQ(Names(), Only{});
  EXPECT_GT(search(0.25, 0.6)[0], 0.9875);
  ASSERT_EQ(Names(), Only{"entropy-flat"});
  EXPECT_NE(warnings_[0].finding.find(" after 50 of "), std::string::npos) << warnings_[0].finding;
  const std::vector<double> resting = search(0.5, 0);
  EXPECT_LT(resting[0], 0.9875);
  EXPECT_GT(resting[1], 0.95);
  ASSERT_EQ(Names(), Only{"entropy-flat"});
  EXPECT_NE(warnings_[0].finding.find(" after 100 of "), std::string::npos) << warnings_[0].finding;
}

// Of twenty searches with gradients that agree in nothing, how many are told so.
int SearchHealthTest::WarnedOfNoise(double momentum) {
  int warned = 0;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    for (BinaryGate& gate : gates_) std::fill(gate.alpha().begin(), gate.alpha().end(), 0.0f);
    Start();
    Warmup(20);
    const Rng rng(seed, RngPurpose::kTest);
    std::vector<std::array<double, 3>> updates(gates_.size());
    Search(
        [&](int step) {
          // As Adam steps on such gradients: the same length, either way.
          for (std::size_t g = 0; g < gates_.size(); ++g) {
            const std::span<float> alpha = gates_[g].alpha();
            for (std::size_t k = 0; k < alpha.size(); ++k) {
              const double u = rng.Uniform(static_cast<std::uint64_t>(step), 8 * g + k);
              double& update = updates[g][k];
              update = momentum * update + (1 - momentum) * (u < 0.5 ? 0.1 : -0.1);
              alpha[k] += static_cast<float>(update);
            }
          }
        },
        [&](int step) { return FallingLoss(step); });
    if (!Names().contains("alphas-on-noise")) continue;
    ++warned;
    EXPECT_EQ(
        warnings_[0].advice,
        "the updates disagree from step to step: use more images, a smaller the_rate, or more "
        "--warmup-epochs");
  }
  return warned;
}

// Beyond three standard deviations by chance once in some hundred, at each of two looks.
TEST_F(SearchHealthTest, NamesAlphasThatMoveAtRandom) { EXPECT_GE(WarnedOfNoise(0), 18); }

class HealthWithMomentumTest : public SearchHealthTest {
 protected:
  static SearchSpace Space() {
    SearchSpace space = TinySpace({.classes = 6, .blocks = 4});
    space.recipe.alpha_beta1 = 0.5;
    return space;
  }
  HealthWithMomentumTest() : SearchHealthTest(Space()) {}
};

// By chance a search moves three times as far, and the limit is thrice as high.
TEST_F(HealthWithMomentumTest, NamesAlphasThatMomentumAloneMoves) {
  EXPECT_EQ(WarnedOfNoise(0.5), 20);
}

TEST_F(HealthWithMomentumTest, IsSilentAboutAHealthySearch) {
  Start();
  Warmup(20);
  Search([&](int step) { Drift(step, 0.02); }, [&](int step) { return FallingLoss(step); });
  EXPECT_EQ(Names(), Only{});
}

TEST_F(SearchHealthTest, NamesALossThatDoesNotFall) {
  // Guessing among six classes has ln 6 = 1.79.
  EXPECT_EQ(NamesByLoss([&](int step) { return 1.79 + Noise(step); }), Only{"loss-not-falling"});
  EXPECT_EQ(NamesByLoss([&](int step) { return 1.5 + 0.01 * step + Noise(step); }),
            Only{"loss-not-falling"});
  EXPECT_EQ(NamesByLoss([&](int step) { return 0.5 + Noise(step); }), Only{})
      << "learned before, and at rest";
  EXPECT_EQ(NamesByLoss([&](int step) { return 1.79 - 0.001 * step + 0.1 * Noise(step); }), Only{})
      << "slowly, but surely";
}

TEST_F(SearchHealthTest, NamesALossThatCollapsedLate) {
  const auto guessing = std::log(6.0);
  steps_ = 300;
  ASSERT_EQ(NamesByLoss([&](int step) { return (step < 240 ? 0.5 : guessing) + Noise(step); }),
            Only{"loss-not-falling"});
  EXPECT_TRUE(warnings_[0].finding.find(" after 300 of 300 architecture steps") !=
              std::string::npos)
      << warnings_[0].finding;
  // A line through these falls surely all the same.
  EXPECT_EQ(NamesByLoss([&](int step) {
              return (step < 255 ? guessing - 0.005 * step : guessing) + Noise(step);
            }),
            Only{"loss-not-falling"});
  steps_ = 1000;
  EXPECT_EQ(NamesByLoss([&](int step) { return (step < 800 ? 0.5 : guessing) + Noise(step); }),
            Only{"loss-not-falling"});
}

class HealthOfTwoClassesTest : public SearchHealthTest {
 protected:
  HealthOfTwoClassesTest() : SearchHealthTest(TinySpace({.classes = 2, .blocks = 4})) {}
};

TEST_F(HealthOfTwoClassesTest, ALossMayRestWhereLabelNoiseKeepsIt) {
  // 25 % wrong labels cost 0.562, guessing has ln 2 = 0.693.
  EXPECT_EQ(NamesByLoss([&](int step) { return 0.562 + Noise(step); }), Only{});
  EXPECT_EQ(NamesByLoss([&](int step) { return 0.693 + Noise(step); }), Only{"loss-not-falling"});
}

TEST_F(SearchHealthTest, FewStepsAreNotJudgedByStatistics) {
  warnings_.clear();
  SearchHealth health(space_, gates_, 20, kKnobs,
                      [this](const HealthWarning& warning) { warnings_.push_back(warning); });
  for (int i = 0; i < 20; ++i) health.AfterWeightStep({});
  for (int step = 0; step < 20; ++step) {
    Drift(0, step % 2 == 0 ? 0.3 : -0.3);
    if (step == 9) gates_[0].alpha()[0] += 3;
    health.AfterArchitectureStep(2);
  }
  EXPECT_EQ(Names(), Only{});
}

}  // namespace
}  // namespace nasengine
