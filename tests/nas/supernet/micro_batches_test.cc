// Steps in parts against steps of the parts: gradients, gate gradients, statistics, dropout,
// memory.
// SPDX-License-Identifier: MIT
#include "nas/supernet/micro_batches.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nas/supernet/step.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class MicroBatchesTest : public SupernetFixture {
 protected:
  static constexpr std::int64_t kBatch = 16;

  MicroBatchesTest()
      : space_(TinySpace({.blocks = 3, .candidates = {"3x3_MBConv3", "5x5_MBConv6"}})),
        batch_(RandomBatch(space_, kBatch)),
        halves_(PartsOf(batch_.images, batch_.labels, kBatch / 2)) {
    space_.recipe.dropout = 0.5;
  }

  std::unique_ptr<Supernet> NewSupernet(std::int64_t micro_batch) {
    auto supernet =
        std::make_unique<Supernet>(context(), space_, ComputeOptions{.micro_batch = micro_batch});
    supernet->Initialize(3);
    return supernet;
  }

  // Takes the gradients of all slabs away.
  static std::vector<Floats> TakeGradients(const std::vector<ParameterSlab*>& slabs) {
    std::vector<Floats> gradients;
    for (ParameterSlab* slab : slabs) {
      gradients.push_back(slab->has_gradients() ? Copy(slab->gradients()) : Floats());
      slab->DropGradients();
    }
    return gradients;
  }

  // Halving is exact; adding the second half to the first rounds once for each of the partial sums
  // that a kernel adds, of which there are at most a thread's four and those of four threads.
  static void ExpectMean(const std::vector<Floats>& whole, const std::vector<Floats>& first,
                         const std::vector<Floats>& second) {
    ASSERT_EQ(whole.size(), first.size());
    float largest = 0;
    for (std::size_t slab = 0; slab < whole.size(); ++slab) {
      ASSERT_EQ(whole[slab].size(), first[slab].size());
      for (std::size_t i = 0; i < whole[slab].size(); ++i) {
        const float a = first[slab][i];
        const float b = second[slab][i];
        const float tolerance = 16 * 0x1p-24f * (std::abs(a) + std::abs(b));
        ASSERT_NEAR(whole[slab][i], (a + b) / 2, tolerance) << "slab " << slab << ", " << i;
        largest = std::max(largest, std::abs(whole[slab][i]));
      }
    }
    EXPECT_GT(largest, 0.01) << "too small to be a check";
  }

  SearchSpace space_;
  const Batch batch_;
  const std::vector<BatchPart> halves_;
};

TEST_F(MicroBatchesTest, PartsAreFewAndAsEqualAsCanBe) {
  const auto sizes = [&](std::int64_t n, std::int64_t micro_batch) {
    const Tensor images = batch_.images.Slice(0, {n, 8, 8, 2});
    const Tensor labels = batch_.labels.Slice(0, {n});
    std::vector<std::int64_t> sizes;
    double shares = 0;
    for (const BatchPart& part : PartsOf(images, labels, micro_batch)) {
      EXPECT_EQ(part.index, static_cast<std::int64_t>(sizes.size()));
      EXPECT_EQ(part.labels.shape(), Shape{part.images.shape()[0]});
      sizes.push_back(part.images.shape()[0]);
      shares += part.share;
    }
    EXPECT_NEAR(shares, 1, 1e-15);
    return sizes;
  };
  EXPECT_EQ(sizes(16, 0), (std::vector<std::int64_t>{16}));
  EXPECT_EQ(sizes(16, 16), (std::vector<std::int64_t>{16}));
  EXPECT_EQ(sizes(16, 4), (std::vector<std::int64_t>{4, 4, 4, 4}));
  EXPECT_EQ(sizes(16, 15), (std::vector<std::int64_t>{8, 8}));
  EXPECT_EQ(sizes(11, 4), (std::vector<std::int64_t>{3, 4, 4}));
  // Together they are the batch.
  EXPECT_EQ(halves_[1].images.data(), batch_.images.As<float>() + batch_.images.elements() / 2);
  EXPECT_EQ(halves_[1].labels.data(), batch_.labels.As<std::int32_t>() + kBatch / 2);
}

TEST_F(MicroBatchesTest, AWeightStepsGradientsAreTheMeanOfThoseOfItsParts) {
  const Path path{1, 0, 1};
  for (const bool all_paths : {false, true}) {
    const auto step = [&](const Supernet& supernet, const Tensor& images, const Tensor& labels) {
      return all_paths ? RunAllPathsStep(context(), supernet, images, labels, 0.1f, {})
                       : RunWeightStep(context(), supernet, path, images, labels, 0.1f, {});
    };
    const auto split = NewSupernet(kBatch / 2);
    const StepResult result = step(*split, batch_.images, batch_.labels);
    const std::vector<Floats> gradients = TakeGradients(split->Slabs());

    const auto whole = NewSupernet(0);
    const StepResult first = step(*whole, halves_[0].images, halves_[0].labels);
    const std::vector<Floats> of_first = TakeGradients(whole->Slabs());
    const StepResult second = step(*whole, halves_[1].images, halves_[1].labels);
    const std::vector<Floats> of_second = TakeGradients(whole->Slabs());
    ExpectMean(gradients, of_first, of_second);
    EXPECT_EQ(result.loss, (first.loss + second.loss) / 2);
    EXPECT_EQ(result.top1_hits, first.top1_hits + second.top1_hits);
    EXPECT_EQ(result.images, kBatch);
    EXPECT_TRUE(SameBits(AllState(*split), AllState(*whole))) << "running statistics";
  }
}

// Equal halves have the batch's own statistics, so that their step is the whole batch's. What is
// left is rounding: of sums over the batch in another order, carried through three blocks.
TEST_F(MicroBatchesTest, EqualHalvesGiveTheGradientsOfTheWholeBatch) {
  Batch doubled = RandomBatch(space_, kBatch);
  const std::vector<BatchPart> halves = PartsOf(doubled.images, doubled.labels, kBatch / 2);
  const auto bytes = [](const Tensor& tensor) { return static_cast<std::size_t>(tensor.bytes()); };
  std::memcpy(halves[1].images.data(), halves[0].images.data(), bytes(halves[0].images));
  std::memcpy(halves[1].labels.data(), halves[0].labels.data(), bytes(halves[0].labels));
  const auto gradients = [&](std::int64_t micro_batch) {
    const auto supernet = NewSupernet(micro_batch);
    RunWeightStep(context(), *supernet, Path{1, 0, 1}, doubled.images, doubled.labels, 0, {});
    return TakeGradients(supernet->Slabs());
  };
  const std::vector<Floats> split = gradients(kBatch / 2);
  const std::vector<Floats> whole = gradients(0);
  for (std::size_t slab = 0; slab < whole.size(); ++slab) {
    double norm = 0;
    double difference = 0;
    for (std::size_t i = 0; i < whole[slab].size(); ++i) {
      norm += whole[slab][i] * whole[slab][i];
      difference += std::pow(whole[slab][i] - split[slab][i], 2);
    }
    // Sums of at most 16 x 64 pixels, rounded in a random walk, in each of eleven layers.
    const double rounding = 0x1p-24 * std::sqrt(16.0 * 64.0) * 11;
    EXPECT_LE(std::sqrt(difference), rounding * std::sqrt(norm)) << "slab " << slab;
  }
}

TEST_F(MicroBatchesTest, GateGradientsAreTheMeanOfThoseOfTheParts) {
  const Path path{1, 0, 2};
  for (const bool all_paths : {false, true}) {
    const auto step = [&](const Supernet& supernet, const Tensor& images, const Tensor& labels) {
      std::vector<GateGradients> gates(path.size());
      // What is left of another step must not be added to.
      for (GateGradients& gate : gates) gate.values = {100, 100, 100};
      if (all_paths) {
        RunAllPathsArchitectureStep(context(), supernet, images, labels, gates);
      } else {
        RunTwoPathsStep(context(), supernet, path, Path{0, 2, 1}, images, labels, gates);
      }
      return gates;
    };
    const std::vector<GateGradients> split =
        step(*NewSupernet(kBatch / 2), batch_.images, batch_.labels);
    const auto whole = NewSupernet(0);
    const auto first = step(*whole, halves_[0].images, halves_[0].labels);
    const auto second = step(*whole, halves_[1].images, halves_[1].labels);
    for (std::size_t block = 0; block < path.size(); ++block) {
      ASSERT_EQ(split[block].values.size(), first[block].values.size());
      EXPECT_EQ(split[block].values.empty(), !all_paths && path[block] == 2);
      for (std::size_t k = 0; k < split[block].values.size(); ++k) {
        EXPECT_DOUBLE_EQ(split[block].values[k],
                         (first[block].values[k] + second[block].values[k]) / 2);
      }
    }
  }
}

TEST_F(MicroBatchesTest, EveryPartDrawsItsOwnDropout) {
  const NetworkDesc desc = nasengine::Derive(space_, Path{0, 1, 0});
  const Rng rng(1, RngPurpose::kDropout);
  const auto gradients = [&](std::int64_t micro_batch, const Tensor& images, const Tensor& labels,
                             std::uint64_t step) {
    Network network(context(), desc, WeightInit::kFanOut, {.micro_batch = micro_batch});
    network.Initialize(3);
    RunTrainingStep(context(), network, images, labels, 0, {.dropout_rng = &rng, .step = step});
    return TakeGradients(network.Slabs());
  };
  ExpectMean(gradients(kBatch / 2, batch_.images, batch_.labels, 5),
             gradients(0, halves_[0].images, halves_[0].labels, 10),
             gradients(0, halves_[1].images, halves_[1].labels, 11));
}

}  // namespace
}  // namespace nasengine
