// Searches whose right answer is known beforehand, run as the program runs them, twenty seeds each:
// what every algorithm's planted optima share.
// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string_view>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/search/searcher_factory.h"
#include "nas/supernet/prepare.h"
#include "nas/train/held_out_scorer.h"
#include "nas/train/search_loop.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {

inline constexpr std::uint32_t kPlantedSeeds = 20;
inline constexpr int kAtLeastRight = 19;

struct Planted {
  SearchSpace space{};
  std::unique_ptr<Dataset> data{};
  std::int64_t held_out = 0;
  std::optional<LatencyModel> latency{};  // none: accuracy alone
  // The latency to compare with, and to keep for an algorithm that has it as its limit.
  double reference_ms = 0;
  // Added to the alpha of every block's last candidate before the search.
  float last_candidate_lead = 0;
  std::function<bool(const Path&)> right{};
};

// Three blocks whose candidates are alike in all but their latency: the cheapest is right.
inline Planted CheapestOfEquals() {
  Planted planted{.space = TinySpace({.blocks = 3,
                                      .candidates = {"3x3_MBConv3", "5x5_MBConv3", "7x7_MBConv3"},
                                      .zero = false}),
                  .held_out = 64};
  for (SpaceNode& node : planted.space.nodes) {
    auto* choice = std::get_if<ChoiceNode>(&node);
    if (choice == nullptr) continue;
    for (LayerDesc& candidate : choice->candidates) candidate.kernel = 3;
  }
  planted.space.recipe.warmup_epochs = 2;
  planted.space.recipe.search_epochs = 8;
  planted.space.recipe.arch_every = 1;
  planted.space.recipe.latency_weight = 0.3;
  planted.data = std::make_unique<SyntheticDataset>(
      SyntheticConfig{.shape = {8, 8, 2}, .classes = 3, .count = 256, .seed = 1});
  planted.latency.emplace(
      0.1, std::vector<std::vector<double>>{{0.9, 0.5, 0.1}, {0.1, 0.5, 0.9}, {0.5, 0.1, 0.9}});
  planted.reference_ms = planted.latency->ReferenceMs();
  planted.right = [](const Path& path) { return path == Path{2, 0, 1}; };
  return planted;
}

// Two dots six pixels apart: only the widest kernel sees both.
inline Planted WidestWindow() {
  Planted planted{.space = TinySpace({.input = {22, 22, 1},
                                      .classes = 2,
                                      .stem_kernel = 1,
                                      .stem_channels = 4,
                                      .channels = 8,
                                      .blocks = 1,
                                      .stride = 1,
                                      .candidates = {"3x3_MBConv3", "5x5_MBConv3", "7x7_MBConv3"},
                                      .zero = false}),
                  .held_out = 128};
  Recipe& recipe = planted.space.recipe;
  recipe.batch = 32;
  recipe.warmup_epochs = 6;
  recipe.search_epochs = 12;
  recipe.warmup_lr = 0.1;
  recipe.search_lr = 0.1;
  recipe.label_smoothing = 0;
  recipe.arch_every = 2;
  planted.data =
      std::make_unique<DotPairDataset>(DotPairConfig{.side = 22, .count = 640, .seed = 1});
  planted.latency.emplace(0.1, std::vector<std::vector<double>>{{0.2, 0.2, 0.2}});
  planted.reference_ms = planted.latency->LargestReachableMs();
  planted.right = [](const Path& path) { return path == Path{2}; };
  return planted;
}

// Without latency, nothing speaks for a network that computes nothing. Every block begins with Zero
// ahead of the two others, so that a search that does not move is wrong.
inline Planted NotAllZero() {
  Planted planted{.space = TinySpace({.input = {8, 8, 1},
                                      .classes = 6,
                                      .stem_kernel = 1,
                                      .stem_channels = 8,
                                      .channels = 8,
                                      .blocks = 3,
                                      .stride = 1}),
                  .held_out = 64};
  planted.space.recipe.warmup_epochs = 2;
  planted.space.recipe.search_epochs = 10;
  planted.space.recipe.arch_every = 1;
  planted.data = std::make_unique<SyntheticDataset>(
      SyntheticConfig{.shape = {8, 8, 1}, .classes = 6, .count = 256, .seed = 1});
  planted.last_candidate_lead = 0.5F;
  planted.right = [](const Path& path) { return path != Path{2, 2, 2}; };
  return planted;
}

class PlantedSearch : public SupernetFixture {
 protected:
  // Runs every seed, prints what the others chose, and returns how many were right.
  int CountRight(std::string_view algorithm, const Planted& planted) {
    int count = 0;
    for (std::uint32_t seed = 1; seed <= kPlantedSeeds; ++seed) {
      const Path path = Search(FindAlgorithm(algorithm), planted, seed);
      allocator().ReleaseCached();
      if (planted.right(path)) {
        ++count;
        continue;
      }
      std::cout << algorithm << " seed " << seed << " chose";
      for (const int choice : path) std::cout << " " << choice;
      std::cout << "\n";
    }
    std::cout << algorithm << ": " << count << " of " << kPlantedSeeds << " seeds right\n";
    return count;
  }

 private:
  Path Search(const SearchAlgorithm& algorithm, const Planted& planted, std::uint32_t seed) {
    const Recipe& recipe = planted.space.recipe;
    Supernet supernet(context(), planted.space);
    supernet.Initialize(seed);
    for (BinaryGate& gate : supernet.gates()) gate.alpha().back() += planted.last_candidate_lead;
    const bool has_latency = planted.latency.has_value();
    const std::unique_ptr<Searcher> searcher = algorithm.make(
        {.supernet = supernet,
         .latency = has_latency ? &*planted.latency : nullptr,
         .objective = {.kind = has_latency ? algorithm.default_objective : ObjectiveKind::kNone,
                       .lambda = recipe.latency_weight,
                       .reference_ms = planted.reference_ms},
         .recipe = recipe,
         .seed = seed});
    const Split split = StratifiedSplit(*planted.data, planted.held_out, seed);
    const ChannelStats stats = ComputeChannelStats(*planted.data);
    LoaderConfig loading{.batch_size = recipe.batch, .augment = {.stats = stats}, .seed = seed};
    Loader weight_loader(*planted.data, split.weights, loading, allocator());
    const ArchitectureSteps architecture = algorithm.architecture_steps(recipe);
    loading.batch_size = architecture.images;
    Loader arch_loader(*planted.data, split.architecture, loading, allocator());
    PrepareSupernet(context(), allocator(), supernet, SearchSteps(algorithm, recipe));
    const SearchSchedule schedule(recipe, architecture, weight_loader.batches_per_epoch(), 0);
    SearchLoop loop({context(), allocator(), supernet, *searcher, weight_loader, arch_loader},
                    recipe, schedule);
    loop.Run({});
    EvalBatches held_out(*planted.data, split.architecture, planted.held_out, stats, allocator());
    const LoopControl control;
    HeldOutScorer scorer({context(), allocator(), supernet, held_out}, 0, 0, control);
    return searcher->Choose(scorer);
  }
};

}  // namespace nasengine
