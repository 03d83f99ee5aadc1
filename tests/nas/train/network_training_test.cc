// Training a concrete network: it learns, it reports, it stops, it repeats.
// SPDX-License-Identifier: MIT
#include "nas/train/network_training.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/train/evaluator.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class NetworkTrainingTest : public SupernetFixture {
 protected:
  NetworkTrainingTest()
      : space_(TinySpace({.input = {12, 12, 1}, .classes = 4})),
        train_({.shape = {12, 12, 1}, .classes = 4, .count = 256, .seed = 5}),
        test_({.shape = {12, 12, 1}, .classes = 4, .count = 100, .first_index = 256, .seed = 5}),
        stats_(ComputeChannelStats(train_)) {
    space_.recipe.dropout = 0.1;
  }

  std::unique_ptr<Network> MakeNetwork() {
    auto network = std::make_unique<Network>(context(), nasengine::Derive(space_, Path{0, 0}));
    network->Initialize(1);
    return network;
  }
  void Train(Network& network, const NetworkTraining& training, const LoopControl& control = {}) {
    Loader loader(train_, AllIndices(train_),
                  {.batch_size = 16, .augment = {.stats = stats_}, .seed = 1}, allocator());
    TrainNetwork(context(), allocator(), network, loader, space_.recipe, training, control);
  }
  static Floats Weights(const Network& network) {
    Floats all;
    const StateDict state = network.state_dict();
    for (const StateDict::Entry& entry : state.entries()) {
      const Floats values = Copy(entry.tensor);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  SearchSpace space_;
  const SyntheticDataset train_;
  const SyntheticDataset test_;
  const ChannelStats stats_;
};

TEST_F(NetworkTrainingTest, LearnsATinySet) {
  const auto network = MakeNetwork();
  EvalBatches test(test_, AllIndices(test_), 50, stats_, allocator());
  EXPECT_LT(Evaluate(context(), *network, test).top1, 60) << "before training";
  Train(*network, {.epochs = 8, .lr = 0.1});
  EXPECT_GT(Evaluate(context(), *network, test).top1, 90);
}

TEST_F(NetworkTrainingTest, ReportsEveryStepWithItsCosineRate) {
  const auto network = MakeNetwork();
  std::vector<StepRecord> records;
  Train(*network, {.epochs = 2, .lr = 0.2},
        {.observe = [&](const StepRecord& record) { records.push_back(record); }});
  ASSERT_EQ(records.size(), 32u);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const StepRecord& record = records[i];
    EXPECT_EQ(record.step, static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(record.steps, 32);
    EXPECT_EQ(record.epoch, static_cast<std::int64_t>(i) / 16);
    EXPECT_EQ(record.phase, Phase::kTrain);
    EXPECT_EQ(record.images, 16);
    EXPECT_NEAR(record.lr, 0.1 * (1 + std::cos(std::numbers::pi * static_cast<double>(i) / 32)),
                1e-12);
    EXPECT_GT(record.peak_bytes, 0);
    EXPECT_TRUE(std::isfinite(record.loss));
  }
}

TEST_F(NetworkTrainingTest, MaxStepsBoundsAndStopEnds) {
  int steps = 0;
  std::atomic<bool> stop = false;
  const LoopControl control{.observe =
                                [&](const StepRecord& record) {
                                  ++steps;
                                  stop = record.step == 3;
                                },
                            .stop = &stop};
  const auto network = MakeNetwork();
  Train(*network, {.epochs = 2, .max_steps = 10}, control);
  EXPECT_EQ(steps, 3);
  stop = false;
  steps = 0;
  Train(*network, {.epochs = 2, .max_steps = 2}, control);
  EXPECT_EQ(steps, 2);
  const Floats before = Weights(*network);
  Train(*network, {.epochs = 0}, control);
  EXPECT_TRUE(SameBits(before, Weights(*network)));
}

TEST_F(NetworkTrainingTest, TheSameSeedGivesTheSameBits) {
  const auto run = [&](std::uint32_t seed) {
    const auto network = MakeNetwork();
    Train(*network, {.epochs = 1, .lr = 0.1, .seed = seed});
    return Weights(*network);
  };
  const Floats first = run(1);
  EXPECT_TRUE(SameBits(first, run(1)));
  EXPECT_FALSE(SameBits(first, run(2))) << "dropout has another seed";
}

TEST_F(NetworkTrainingTest, TheRateMayRiseBeforeItsCosine) {
  space_.recipe.train_warmup_epochs = 1;
  space_.recipe.train_warmup_start = 0.25;
  const auto network = MakeNetwork();
  std::vector<double> rates;
  Train(*network, {.epochs = 2, .lr = 0.2},
        {.observe = [&](const StepRecord& record) { rates.push_back(record.lr); }});
  ASSERT_EQ(rates.size(), 32u);
  for (std::size_t i = 0; i < 32; ++i) {
    const auto at = static_cast<double>(i);
    const double expected = i < 16 ? 0.2 * (0.25 + 0.75 * at / 16)
                                   : 0.1 * (1 + std::cos(std::numbers::pi * (at - 16) / 16));
    EXPECT_NEAR(rates[i], expected, 1e-12) << i;
  }
}

TEST_F(NetworkTrainingTest, TrainsByItsOwnDecayAndMomentum) {
  const auto gamma_after = [&] {
    const auto network = MakeNetwork();
    Train(*network, {.epochs = 1, .lr = 1e-2, .max_steps = 1});
    return Copy(*network->state_dict().Find("block1/expand.gamma"));
  };
  space_.recipe.weight_decay = 0;
  const Floats without = gamma_after();
  space_.recipe.train_weight_decay = 0.5;
  EXPECT_EQ(gamma_after(), without) << "batch norms are spared";
  space_.recipe.train_decay = DecayOf::kAll;
  const Floats all = gamma_after();
  // Gamma starts at 1, so that a first Nesterov step takes (1 + momentum) * lr * 0.5 off it.
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(all[i], without[i] - 9.5e-3, 1e-6);
  space_.recipe.train_nesterov = false;
  const Floats plain = gamma_after();
  space_.recipe.train_weight_decay = 0;
  const Floats plain_without = gamma_after();
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_NEAR(plain[i], plain_without[i] - 5e-3, 1e-6);
}

TEST_F(NetworkTrainingTest, BatchNormsAndBiasesDoNotDecay) {
  space_.recipe.weight_decay = 0.5;
  const auto network = MakeNetwork();
  Train(*network, {.epochs = 1, .lr = 1e-2, .max_steps = 1});
  // Gamma starts at 1; decay alone would take (1 + momentum) * lr * 0.5 = 9.5e-3 off it.
  const StateDict state = network->state_dict();
  for (const float gamma : Copy(*state.Find("block1/expand.gamma"))) EXPECT_NEAR(gamma, 1, 4e-3);
}

}  // namespace
}  // namespace nasengine
