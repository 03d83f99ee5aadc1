// SPDX-License-Identifier: MIT
#include "bench/fixed_network.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <regex>

#include "bench/harness.h"
#include "bench/supernet_steps.h"
#include "nas/space/search_space.h"
#include "nas/supernet/network.h"
#include "nas/supernet/prepare.h"
#include "nas/train/trainer.h"

namespace nasengine {
namespace {

constexpr int kRounds = 9;

}  // namespace

std::string FixedNetworkRowName(const SearchSpace& space) {
  return StrCat(space.name, " fixed network");
}

void CompareFixedNetwork(Workbench& bench, const SearchSpace& space, std::int64_t batch,
                         const BenchOptions& options, nlohmann::ordered_json& rows) {
  const std::string name = FixedNetworkRowName(space);
  if (!std::regex_search(name, std::regex(options.filter))) return;
  constexpr PlannedStep kStep[] = {PlannedStep::kWeights};
  SupernetSteps supernet(bench, space, batch, kStep, options.dtype);
  supernet.TakeTypicalPath();

  Context& context = bench.context();
  Network network(context, Derive(space, supernet.path()), WeightInit::kFanOut,
                  {.dtype = options.dtype});
  network.Initialize(1);
  PrepareTraining(context, bench.allocator(), network, {&batch, 1});
  const Batch images{
      .images = bench.Random({batch, space.input.h, space.input.w, space.input.c}, 1),
      .labels = bench.Labels(batch, space.classes)};
  const auto in_supernet = [&] { supernet.Run(context, PlannedStep::kWeights); };
  const std::vector<Contender> contenders{
      {"fixed network", [&] { Trainer({}).Step(context, network, images, kBenchLr, {}); }},
      {"supernet", in_supernet},
      {"supernet again", in_supernet}};
  const int rounds = options.RoundsOr(kRounds);
  const std::vector<RobustSummary> ms = TimeInterleaved(
      contenders, {.min_rounds = rounds, .max_rounds = rounds, .device = bench.clock()});

  const double noise = SameAgainstSame(ms[1], ms[2]);
  const double ratio = ms[1].median / ms[0].median;
  rows.push_back({{"name", name},
                  {"batch", batch},
                  {"dtype", Name(options.dtype)},
                  {"step_ms", ms[0].median},
                  {"supernet_ms", ms[1].median},
                  {"supernet_over_fixed", ratio},
                  {"same_against_same", noise}});
  if (options.json) return;
  fmt::print(
      "  fixed network of the typical path, weights: {:.1f} ms; the supernet's step along it: "
      "{:.1f} ms, {:.2f} of that (same against same {:.1f} %)\n",
      ms[0].median, ms[1].median, ratio, 100 * noise);
  std::fflush(stdout);
}

}  // namespace nasengine
