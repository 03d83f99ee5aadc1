// What a step along one path leaves alone, what a path costs, and what a derived network inherits.
// SPDX-License-Identifier: MIT
#include "nas/supernet/supernet.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "autograd/optim/sgd.h"
#include "nas/supernet/step.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class SupernetTest : public SupernetFixture {
 protected:
  void WeightStep(const Supernet& supernet, const Path& path, const Batch& batch) {
    RunWeightStep(context(), supernet, path, batch.images, batch.labels, 0.1f, {});
    const SgdOptimizer sgd({.weight_decay = 1e-2f});
    sgd.Step(context(), supernet.Slabs(path), 0.05f);
  }

  // Bytes that a recorded forward pass along `path` keeps.
  std::int64_t SavedBytes(const Supernet& supernet, const Path& path, const Batch& batch,
                          std::vector<GateGradients>& gates) {
    Tape tape(context(),
              gates.empty() ? GradientsOf::kActivationsAndParameters : GradientsOf::kActivations);
    const Variable logits = supernet.Forward(tape, batch.images, path, gates, {});
    return tape.saved_bytes();
  }

  template <class Step>
  std::int64_t PeakActivationBytes(const Step& step) {
    allocator().ResetPeak();
    step();
    const auto activations = static_cast<std::size_t>(MemoryCategory::kActivations);
    return allocator().stats().at_peak_by_category[activations];
  }
};

TEST_F(SupernetTest, UnselectedCandidatesKeepWeightsAndMomentumBitForBit) {
  const SearchSpace space = TinySpace({.blocks = 3});
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const Batch batch = RandomBatch(space, 8);
  // Momentum everywhere, so that a candidate that moves on its momentum alone is seen.
  for (const Path& path : {Path{0, 0, 0}, Path{1, 1, 1}, Path{0, 1, 0}, Path{1, 0, 1}}) {
    WeightStep(supernet, path, batch);
  }
  const auto state = [&] {
    std::vector<Floats> copies;
    for (ParameterSlab* slab : supernet.Slabs()) {
      copies.push_back(Copy(slab->values()));
      copies.push_back(Copy(slab->momentum(context())));
    }
    return copies;
  };
  const Path path{1, 2, 0};
  const std::vector<ParameterSlab*> selected = supernet.Slabs(path);
  ASSERT_EQ(selected.size(), 4u) << "stem, two candidates, classifier; Zero has no weights";
  for (int step = 0; step < 3; ++step) {
    const std::vector<Floats> before = state();
    WeightStep(supernet, path, batch);
    const std::vector<Floats> after = state();
    const std::vector<ParameterSlab*> all = supernet.Slabs();
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool on_path = std::ranges::find(selected, all[i]) != selected.end();
      EXPECT_EQ(SameBits(before[2 * i], after[2 * i]), !on_path) << "weights of slab " << i;
      EXPECT_EQ(SameBits(before[2 * i + 1], after[2 * i + 1]), !on_path) << "momentum " << i;
      EXPECT_FALSE(all[i]->has_gradients());
    }
  }
}

TEST_F(SupernetTest, OnlyThePathsRunningStatisticsMove) {
  const SearchSpace space = TinySpace({.blocks = 2});
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const Batch batch = RandomBatch(space, 8);
  const auto statistics = [&](int k) {
    const auto network = supernet.Derive(context(), UniformPath(supernet, k));
    std::vector<Floats> copies;
    for (const auto& layer : network->layers()) {
      if (layer != nullptr && layer->desc().op == LayerOp::kMbconv) {
        copies.push_back(Copy(layer->buffers().values()));
      }
    }
    return copies;
  };
  const std::vector<Floats> first = statistics(0);
  const std::vector<Floats> second = statistics(1);
  RunWeightStep(context(), supernet, UniformPath(supernet, 0), batch.images, batch.labels, 0, {});
  EXPECT_FALSE(SameBits(first, statistics(0)));
  EXPECT_TRUE(SameBits(second, statistics(1)));
  for (ParameterSlab* slab : supernet.Slabs()) slab->DropGradients();
}

TEST_F(SupernetTest, APathsMemoryDoesNotDependOnTheNumberOfCandidates) {
  TinySpaceOptions options{.input = {16, 16, 3}, .blocks = 3};
  options.candidates = {"3x3_MBConv6", "7x7_MBConv6"};
  const SearchSpace two_space = TinySpace(options);
  options.candidates = kSixCandidates;
  const SearchSpace seven_space = TinySpace(options);
  Supernet two(context(), two_space);
  Supernet seven(context(), seven_space);
  two.Initialize(1);
  seven.Initialize(1);
  const Batch batch = RandomBatch(two_space, 16);
  const Path two_path{1, 1, 1};
  const Path seven_path{5, 5, 5};
  ASSERT_EQ(nasengine::Derive(two_space, two_path), nasengine::Derive(seven_space, seven_path));

  std::vector<GateGradients> none;
  std::vector<GateGradients> gates(3);
  EXPECT_EQ(SavedBytes(two, two_path, batch, none), SavedBytes(seven, seven_path, batch, none));
  EXPECT_EQ(SavedBytes(two, two_path, batch, gates), SavedBytes(seven, seven_path, batch, gates));

  const auto weights = [&](const Supernet& supernet, const Path& path) {
    return PeakActivationBytes([&] {
      RunWeightStep(context(), supernet, path, batch.images, batch.labels, 0, {});
      for (ParameterSlab* slab : supernet.Slabs(path)) slab->DropGradients();
    });
  };
  const auto architecture = [&](const Supernet& supernet, const Path& path) {
    return PeakActivationBytes(
        [&] { RunArchitectureStep(context(), supernet, path, batch.images, batch.labels, gates); });
  };
  const auto all_paths = [&](const Supernet& supernet) {
    return PeakActivationBytes([&] {
      RunAllPathsStep(context(), supernet, batch.images, batch.labels, 0, {});
      for (ParameterSlab* slab : supernet.Slabs()) slab->DropGradients();
    });
  };
  const std::int64_t one_path = weights(two, two_path);
  EXPECT_EQ(one_path, weights(seven, seven_path));
  EXPECT_EQ(architecture(two, two_path), architecture(seven, seven_path));
  EXPECT_GT(all_paths(seven), 2 * all_paths(two)) << "the measure sees candidates that are kept";
  EXPECT_GT(all_paths(seven), 3 * one_path);
}

TEST_F(SupernetTest, TwoPathsTakeTheMemoryOfOneWhateverTheNumberOfCandidates) {
  TinySpaceOptions options{.input = {16, 16, 3}, .blocks = 3};
  options.candidates = {"3x3_MBConv6", "7x7_MBConv6"};
  std::vector<std::int64_t> two_paths;
  for (const std::size_t candidates : {2u, 3u, 6u}) {
    for (const std::string& candidate : kSixCandidates) {
      if (options.candidates.size() >= candidates) break;
      if (std::ranges::find(options.candidates, candidate) == options.candidates.end()) {
        options.candidates.push_back(candidate);
      }
    }
    const SearchSpace space = TinySpace(options);
    Supernet supernet(context(), space);
    supernet.Initialize(1);
    const Batch batch = RandomBatch(space, 16);
    const Path active{1, 1, 1};
    const Path inactive{0, 0, 0};
    std::vector<GateGradients> gates(3);
    const std::int64_t weights = PeakActivationBytes([&] {
      RunWeightStep(context(), supernet, active, batch.images, batch.labels, 0, {});
      for (ParameterSlab* slab : supernet.Slabs(active)) slab->DropGradients();
    });
    two_paths.push_back(PeakActivationBytes([&] {
      RunTwoPathsStep(context(), supernet, active, inactive, batch.images, batch.labels, gates);
    }));
    EXPECT_LE(static_cast<double>(two_paths.back()), 1.1 * static_cast<double>(weights))
        << candidates << " candidates";
    EXPECT_EQ(two_paths.back(), two_paths.front()) << candidates << " candidates";
  }
}

TEST_F(SupernetTest, TiedBlocksHaveOneGateAndDrawTheSameCandidate) {
  const SearchSpace space = TinySpace(
      {.stem_channels = 8, .blocks = 3, .stride = 1, .candidates = kSixCandidates, .share = true});
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  ASSERT_EQ(supernet.gates().size(), 1u);
  EXPECT_EQ(supernet.blocks(), 3);
  BinaryGate& gate = supernet.gates()[0];
  const Rng rng(1, RngPurpose::kGates);
  std::set<int> drawn;
  for (std::uint64_t step = 0; step < 100; ++step) {
    const int candidate = gate.Sample(rng, step, 0);
    EXPECT_EQ(supernet.SamplePath(rng, step), Path(3, candidate));
    drawn.insert(candidate);
  }
  EXPECT_EQ(drawn.size(), 7u);
  gate.alpha()[4] = 2;
  EXPECT_EQ(supernet.BestPath(), (Path{4, 4, 4}));
  EXPECT_EQ(supernet.MeanEntropy(), gate.Entropy());
  // The blocks keep weights of their own, and a path that no search would draw can be run.
  EXPECT_NE(supernet.Slabs(Path{0, 0, 0})[1], supernet.Slabs(Path{0, 0, 0})[2]);
  const Batch batch = RandomBatch(space, 4);
  EXPECT_EQ(Logits(supernet, Path{0, 1, 6}, batch.images).size(), 12u);
}

TEST_F(SupernetTest, StepsGiveBackAllTheyTook) {
  const SearchSpace space = TinySpace();
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const Batch batch = RandomBatch(space, 8);
  const auto active = [&] {
    const MemoryStats stats = allocator().stats();
    return stats.active_bytes -
           stats.active_by_category[static_cast<std::size_t>(MemoryCategory::kWorkspace)];
  };
  const std::int64_t before = active();
  std::vector<GateGradients> gates(2);
  RunWeightStep(context(), supernet, Path{0, 0}, batch.images, batch.labels, 0, {});
  RunAllPathsStep(context(), supernet, batch.images, batch.labels, 0, {});
  for (ParameterSlab* slab : supernet.Slabs()) slab->DropGradients();
  RunArchitectureStep(context(), supernet, Path{0, 0}, batch.images, batch.labels, gates);
  RunAllPathsArchitectureStep(context(), supernet, batch.images, batch.labels, gates);
  EXPECT_EQ(active(), before);
}

TEST_F(SupernetTest, DerivedNetworkHasThePathsWeightsAndLogits) {
  const SearchSpace space = TinySpace({.blocks = 3});
  Supernet supernet(context(), space);
  supernet.Initialize(4);
  const Batch batch = RandomBatch(space, 8);
  WeightStep(supernet, Path{0, 1, 0}, batch);
  for (const Path& path : {Path{0, 1, 0}, Path{1, 2, 1}, Path{1, 2, 2}}) {
    const auto network = supernet.Derive(context(), path);
    EXPECT_EQ(network->desc(), nasengine::Derive(space, path));
    Tape tape(context(), GradientsOf::kNothing);
    const ForwardOptions frozen{.norm = NormMode::kBatchFrozen};
    EXPECT_TRUE(SameBits(Copy(network->Forward(tape, batch.images, frozen).value()),
                         Logits(supernet, path, batch.images)));
  }
  // Copies, not shares.
  const auto network = supernet.Derive(context(), Path{0, 1, 0});
  const Floats before = Logits(supernet, Path{0, 1, 0}, batch.images);
  for (const ParameterSlab* slab : network->Slabs()) {
    std::memset(slab->values().data(), 0, static_cast<std::size_t>(slab->values().bytes()));
  }
  EXPECT_TRUE(SameBits(before, Logits(supernet, Path{0, 1, 0}, batch.images)));
}

TEST_F(SupernetTest, StateDictNamesEveryTensorOnce) {
  const SearchSpace space = TinySpace({.blocks = 3});
  Supernet supernet(context(), space);
  const auto network = supernet.Derive(context(), Path{0, 1, 2});
  const StateDict state = network->state_dict();
  std::set<std::string> names;
  std::int64_t weights = 0;
  for (const StateDict::Entry& entry : state.entries()) {
    names.insert(entry.name);
    if (entry.name.find("running") == std::string::npos) weights += entry.tensor.elements();
  }
  EXPECT_EQ(names.size(), state.size());
  std::int64_t expected = 0;
  for (const ParameterSlab* slab : network->Slabs()) expected += slab->elements();
  EXPECT_EQ(weights, expected);
  EXPECT_NE(state.Find("stem/weight"), nullptr);
  EXPECT_NE(state.Find("block2/depthwise.running_var"), nullptr);
  EXPECT_EQ(state.Find("block3/depthwise.weight"), nullptr) << "a skipped block";
}

TEST_F(SupernetTest, TheSameSeedGivesTheSameBitsAndAnotherSeedOthers) {
  const SearchSpace space = TinySpace();
  Supernet first(context(), space);
  Supernet again(context(), space);
  Supernet other(context(), space);
  first.Initialize(1);
  again.Initialize(1);
  other.Initialize(2);
  EXPECT_TRUE(SameBits(AllState(first), AllState(again)));
  EXPECT_TRUE(SameBits(Alphas(first), Alphas(again)));
  EXPECT_FALSE(SameBits(AllState(first), AllState(other)));
  EXPECT_FALSE(SameBits(Alphas(first), Alphas(other)));

  const Batch batch = RandomBatch(space, 8);
  for (const Supernet* supernet : {&first, &again}) {
    for (const Path& path : {Path{0, 1}, Path{1, 0}, Path{0, 2}})
      WeightStep(*supernet, path, batch);
  }
  EXPECT_TRUE(SameBits(AllState(first), AllState(again)));
}

TEST_F(SupernetTest, SamplePathDependsOnSeedAndStepAndBestPathOnTheAlphas) {
  const SearchSpace space = TinySpace({.blocks = 6, .candidates = kSixCandidates});
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const Rng rng(1, RngPurpose::kGates);
  EXPECT_EQ(supernet.SamplePath(rng, 5), supernet.SamplePath(rng, 5));
  EXPECT_NE(supernet.SamplePath(rng, 5), supernet.SamplePath(rng, 6));
  EXPECT_NE(supernet.SamplePath(rng, 5), supernet.SamplePath(Rng(2, RngPurpose::kGates), 5));
  for (std::size_t block = 0; block < 6; ++block) supernet.gates()[block].alpha()[block] = 40;
  EXPECT_EQ(supernet.BestPath(), (Path{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(supernet.SamplePath(rng, 7), (Path{0, 1, 2, 3, 4, 5}));
  EXPECT_LT(supernet.MeanEntropy(), 1e-6);
}

TEST_F(SupernetTest, RefusesAPathOfAnotherLength) {
  const SearchSpace space = TinySpace();
  Supernet supernet(context(), space);
  const Batch batch = RandomBatch(space, 4);
  Tape tape(context(), GradientsOf::kNothing);
  std::vector<GateGradients> one(1);
  EXPECT_THROW(supernet.Forward(tape, batch.images, Path{0}, {}, {}), Error);
  EXPECT_THROW(supernet.Forward(tape, batch.images, Path{0, 0}, one, {}), Error);
  EXPECT_THROW(supernet.Derive(context(), Path{0, 9}), Error);
}

}  // namespace
}  // namespace nasengine
