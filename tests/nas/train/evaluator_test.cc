// Accuracy and loss counted by hand, and running statistics as plain averages.
// SPDX-License-Identifier: MIT
#include "nas/train/evaluator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class EvaluatorTest : public SupernetFixture {
 protected:
  EvaluatorTest()
      : space_(TinySpace({.classes = 7})),
        data_({.shape = {8, 8, 2}, .classes = 7, .count = 50, .seed = 1}),
        stats_(ComputeChannelStats(data_)),
        supernet_(context(), space_) {
    supernet_.Initialize(3);
  }

  EvalBatches Batches(std::int64_t size) {
    return EvalBatches(data_, AllIndices(data_), size, stats_, allocator());
  }

  const SearchSpace space_;
  const SyntheticDataset data_;
  const ChannelStats stats_;
  Supernet supernet_;
};

// Of a network that trains in parts, over the parts.
TEST_F(EvaluatorTest, AveragesTheStatisticsThatTrainingHas) {
  const auto statistics = [&](std::int64_t batch_size, std::int64_t micro_batch, int batches) {
    Network network(context(), nasengine::Derive(space_, Path{0, 1}), WeightInit::kFanOut,
                    {.micro_batch = micro_batch});
    network.Initialize(1);
    Loader loader(data_, AllIndices(data_),
                  LoaderConfig{.batch_size = batch_size, .augment = {.stats = stats_}, .seed = 1},
                  allocator());
    CalibrateBatchNorms(context(), network, loader, batches);
    std::vector<Floats> buffers;
    for (const auto& layer : network.layers()) buffers.push_back(Copy(layer->buffers().values()));
    return buffers;
  };
  EXPECT_TRUE(SameBits(statistics(16, 8, 2), statistics(8, 0, 4)));
  EXPECT_FALSE(SameBits(statistics(16, 0, 2), statistics(8, 0, 4)));
}

TEST_F(EvaluatorTest, CountsHitsAndAveragesTheLossOverImages) {
  const Path path{0, 1};
  const auto network = supernet_.Derive(context(), path);
  EvalBatches batches = Batches(16);  // 16, 16, 16 and 2
  ASSERT_EQ(batches.count(), 4);
  const Evaluation evaluation = Evaluate(context(), *network, batches);

  int top1 = 0;
  int top5 = 0;
  double loss = 0;
  for (std::int64_t b = 0; b < batches.count(); ++b) {
    const Batch batch = batches.Get(b);
    Tape tape(context(), GradientsOf::kNothing);
    const Tensor logits =
        network->Forward(tape, batch.images, {.norm = NormMode::kRunning}).value();
    for (std::int64_t i = 0; i < batch.size(); ++i) {
      const float* row = logits.As<float>() + i * 7;
      const auto label = batch.labels.As<std::int32_t>()[i];
      double sum = 0;
      int before = 0;
      for (int k = 0; k < 7; ++k) {
        sum += std::exp(static_cast<double>(row[k]) - row[label]);
        before += row[k] > row[label];
      }
      loss += std::log(sum);
      top1 += before == 0;
      top5 += before < 5;
    }
  }
  EXPECT_EQ(evaluation.images, 50);
  EXPECT_DOUBLE_EQ(evaluation.top1, 2.0 * top1);
  EXPECT_DOUBLE_EQ(evaluation.top5, 2.0 * top5);
  EXPECT_LT(top1, top5);
  EXPECT_LT(top5, 50);
  EXPECT_NEAR(evaluation.loss, loss / 50, 1e-5 * loss / 50);
}

TEST_F(EvaluatorTest, ANetworksFiguresDoNotDependOnTheBatchAndASupernetPathsDo) {
  const Path path{1, 0};
  const auto network = supernet_.Derive(context(), path);
  EvalBatches small = Batches(10);
  EvalBatches large = Batches(50);
  const std::vector<Floats> before = AllState(supernet_);
  EXPECT_NEAR(Evaluate(context(), *network, small).loss, Evaluate(context(), *network, large).loss,
              1e-5);
  const double small_loss = Evaluate(context(), supernet_, path, small).loss;
  const double large_loss = Evaluate(context(), supernet_, path, large).loss;
  EXPECT_GT(std::abs(small_loss - large_loss), 1e-4) << "each batch has its own statistics";
  EXPECT_TRUE(SameBits(before, AllState(supernet_))) << "an evaluation moves nothing";
}

TEST_F(EvaluatorTest, CalibrationAveragesTheBatchesStatisticsPlainly) {
  constexpr int kBatches = 5;
  const Path path{0, 1};
  const LoaderConfig config{.batch_size = 8, .augment = {.stats = stats_}, .seed = 2};
  const auto statistics = [](const Network& network) {
    std::vector<Tensor> tensors;
    const StateDict state = network.state_dict();
    for (const StateDict::Entry& entry : state.entries()) {
      if (entry.name.find("running") != std::string::npos) tensors.push_back(entry.tensor);
    }
    return tensors;
  };

  // With momentum 1 the running statistics are the last batch's.
  std::vector<Floats> averages;
  Loader single(data_, AllIndices(data_), config, allocator());
  for (int b = 0; b < kBatches; ++b) {
    const auto network = supernet_.Derive(context(), path);
    Tape tape(context(), GradientsOf::kNothing);
    network->Forward(tape, single.Next().images, {.norm_momentum = 1.0f});
    const std::vector<Tensor> of_batch = statistics(*network);
    averages.resize(of_batch.size());
    for (std::size_t l = 0; l < of_batch.size(); ++l) {
      const Floats values = Copy(of_batch[l]);
      averages[l].resize(values.size());
      for (std::size_t i = 0; i < values.size(); ++i) averages[l][i] += values[i] / kBatches;
    }
  }

  const auto network = supernet_.Derive(context(), path);
  for (const Tensor& tensor : statistics(*network)) {  // leftovers that must not survive
    std::fill_n(tensor.As<float>(), tensor.elements(), 5.0f);
  }
  Loader loader(data_, AllIndices(data_), config, allocator());
  CalibrateBatchNorms(context(), *network, loader, kBatches);
  EXPECT_EQ(loader.position(), (LoaderPosition{.epoch = 0, .batch = kBatches}));
  const std::vector<Tensor> calibrated = statistics(*network);
  ASSERT_EQ(calibrated.size(), 2u * 7) << "mean and variance of stem and two blocks of three";
  for (std::size_t l = 0; l < calibrated.size(); ++l) {
    const Floats values = Copy(calibrated[l]);
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_NEAR(values[i], averages[l][i], 1e-5 * (1 + std::abs(averages[l][i])))
          << "tensor " << l << " element " << i;
    }
  }
}

}  // namespace
}  // namespace nasengine
