// Planted optima: searches whose right answer is known beforehand, run as the program runs them,
// twenty seeds each. They prove that the search searches.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/search/darts_searcher.h"
#include "nas/search/gradient_searcher.h"
#include "nas/search/two_path_searcher.h"
#include "nas/supernet/prepare.h"
#include "nas/train/search_loop.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

constexpr std::uint32_t kSeeds = 20;
constexpr int kAtLeastRight = 19;

// What differs between the searches of one planted space.
struct Algorithm {
  std::function<std::unique_ptr<Searcher>(Supernet&, const LatencyModel*, const Objective&,
                                          const GradientSearcherConfig&)>
      make;
  std::vector<PlannedStep> steps;
};
template <class SearcherOfSteps>
Algorithm AlgorithmOf() {
  return {[](Supernet& supernet, const LatencyModel* latency, const Objective& objective,
             const GradientSearcherConfig& config) {
            return std::make_unique<SearcherOfSteps>(supernet, latency, objective, config);
          },
          {SearcherOfSteps::kSteps.begin(), SearcherOfSteps::kSteps.end()}};
}

struct Planted {
  const SearchSpace& space;
  const Dataset& data;
  std::int64_t held_out = 0;
  const LatencyModel* latency = nullptr;
  ObjectiveKind objective = ObjectiveKind::kNone;
};

class PlantedOptimumTest : public SupernetFixture {
 protected:
  Path Search(const Algorithm& algorithm, const Planted& planted, std::uint32_t seed) {
    const Recipe& recipe = planted.space.recipe;
    Supernet supernet(context(), planted.space);
    supernet.Initialize(seed);
    ObjectiveConfig config{.kind = planted.objective, .lambda = recipe.latency_weight};
    double smallest_ms = 0;
    if (planted.latency != nullptr) {
      config.reference_ms = planted.latency->ReferenceMs();
      smallest_ms = planted.latency->SmallestReachableMs();
    }
    const std::unique_ptr<Searcher> searcher =
        algorithm.make(supernet, planted.latency, Objective(config, smallest_ms),
                       {.seed = seed, .alpha_lr = recipe.alpha_lr});
    const Split split = StratifiedSplit(planted.data, planted.held_out, seed);
    const LoaderConfig loading{.batch_size = recipe.batch,
                               .augment = {.stats = ComputeChannelStats(planted.data)},
                               .seed = seed};
    Loader weight_loader(planted.data, split.weights, loading, allocator());
    Loader arch_loader(planted.data, split.architecture, loading, allocator());
    std::vector<SizedStep> steps;
    for (const PlannedStep step : algorithm.steps) steps.push_back({step, recipe.batch});
    PrepareSupernet(context(), allocator(), supernet, steps);
    SearchLoop loop({context(), allocator(), supernet, *searcher, weight_loader, arch_loader},
                    recipe, 0);
    loop.Run({});
    return supernet.BestPath();
  }

  // Runs every seed; `right` judges its path.
  void ExpectRight(const Algorithm& algorithm, const Planted& planted,
                   const std::function<bool(const Path&)>& right) {
    int count = 0;
    for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
      const Path path = Search(algorithm, planted, seed);
      allocator().ReleaseCached();
      if (right(path)) {
        ++count;
        continue;
      }
      std::string text;
      for (const int choice : path) text += StrCat(" ", choice);
      std::cout << "seed " << seed << " chose" << text << "\n";
    }
    std::cout << count << " of " << kSeeds << " seeds right\n";
    EXPECT_GE(count, kAtLeastRight);
  }

  // Three blocks whose candidates are alike in all but their latency: the cheapest is right.
  void ExpectTheCheapest(const Algorithm& algorithm, double alpha_lr) {
    SearchSpace space = TinySpace(
        {.blocks = 3, .candidates = {"3x3_MBConv3", "5x5_MBConv3", "7x7_MBConv3"}, .zero = false});
    for (SpaceNode& node : space.nodes) {
      auto* choice = std::get_if<ChoiceNode>(&node);
      if (choice == nullptr) continue;
      for (LayerDesc& candidate : choice->candidates) candidate.kernel = 3;
    }
    space.recipe.warmup_epochs = 2;
    space.recipe.search_epochs = 8;
    space.recipe.arch_every = 1;
    space.recipe.alpha_lr = alpha_lr;
    space.recipe.latency_weight = 0.3;
    const SyntheticDataset data({.shape = {8, 8, 2}, .classes = 3, .count = 256, .seed = 1});
    const LatencyModel latency(0.1, {{0.9, 0.5, 0.1}, {0.1, 0.5, 0.9}, {0.5, 0.1, 0.9}});
    ExpectRight(algorithm, {space, data, 64, &latency, ObjectiveKind::kAddLinear},
                [](const Path& path) {
                  return path == Path{2, 0, 1};
                });
  }

  // Two dots six pixels apart: only the widest kernel sees both.
  void ExpectTheWidest(const Algorithm& algorithm, double alpha_lr) {
    SearchSpace space = TinySpace({.input = {22, 22, 1},
                                   .classes = 2,
                                   .stem_kernel = 1,
                                   .stem_channels = 4,
                                   .channels = 8,
                                   .blocks = 1,
                                   .stride = 1,
                                   .candidates = {"3x3_MBConv3", "5x5_MBConv3", "7x7_MBConv3"},
                                   .zero = false});
    Recipe& recipe = space.recipe;
    recipe.batch = 32;
    recipe.warmup_epochs = 6;
    recipe.search_epochs = 12;
    recipe.warmup_lr = 0.1;
    recipe.search_lr = 0.1;
    recipe.label_smoothing = 0;
    recipe.arch_every = 2;
    recipe.alpha_lr = alpha_lr;
    const DotPairDataset data({.side = 22, .count = 640, .seed = 1});
    const LatencyModel latency(0.1, {{0.2, 0.2, 0.2}});
    ExpectRight(algorithm, {space, data, 128, &latency, ObjectiveKind::kAddLinear},
                [](const Path& path) { return path == Path{2}; });
  }

  // Without latency, nothing speaks for a network that computes nothing.
  void ExpectNotAllZero(const Algorithm& algorithm, double alpha_lr) {
    SearchSpace space = TinySpace({.input = {8, 8, 1},
                                   .classes = 6,
                                   .stem_kernel = 1,
                                   .stem_channels = 8,
                                   .channels = 8,
                                   .blocks = 3,
                                   .stride = 1});
    Recipe& recipe = space.recipe;
    recipe.warmup_epochs = 2;
    recipe.search_epochs = 10;
    recipe.arch_every = 1;
    recipe.alpha_lr = alpha_lr;
    const SyntheticDataset data({.shape = {8, 8, 1}, .classes = 6, .count = 256, .seed = 1});
    ExpectRight(algorithm, {space, data, 64, nullptr, ObjectiveKind::kNone}, [](const Path& path) {
      return path != Path{2, 2, 2};
    });
  }
};

TEST_F(PlantedOptimumTest, ProxylessGTakesTheCheapestOfEquals) {
  ExpectTheCheapest(AlgorithmOf<GradientSearcher>(), 0.03);
}

// With two paths two of three candidates move in a step, and each only against the other, so that
// the same number of steps asks for a rate twice that of proxyless-g.
TEST_F(PlantedOptimumTest, ProxylessGTwoTakesTheCheapestOfEquals) {
  ExpectTheCheapest(AlgorithmOf<TwoPathSearcher>(), 0.06);
}

TEST_F(PlantedOptimumTest, DartsTakesTheCheapestOfEquals) {
  ExpectTheCheapest(AlgorithmOf<DartsSearcher>(), 0.03);
}

TEST_F(PlantedOptimumTest, ProxylessGTakesTheOneWindowThatIsWideEnough) {
  ExpectTheWidest(AlgorithmOf<GradientSearcher>(), 0.03);
}

TEST_F(PlantedOptimumTest, ProxylessGTwoTakesTheOneWindowThatIsWideEnough) {
  ExpectTheWidest(AlgorithmOf<TwoPathSearcher>(), 0.06);
}

TEST_F(PlantedOptimumTest, ProxylessGNeverSkipsEveryBlockWithoutLatency) {
  ExpectNotAllZero(AlgorithmOf<GradientSearcher>(), 0.02);
}

TEST_F(PlantedOptimumTest, ProxylessGTwoNeverSkipsEveryBlockWithoutLatency) {
  ExpectNotAllZero(AlgorithmOf<TwoPathSearcher>(), 0.04);
}

}  // namespace
}  // namespace nasengine
