// Passes through networks of layers, one layer timed at a time.
// SPDX-License-Identifier: MIT
#include "nas/latency/latency_profiler.h"

#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/rng.h"
#include "nas/deploy/fold.h"

namespace nasengine {
namespace {

constexpr const char* kProtocol =
    "medians over rounds; a round passes through networks that take one layer of every block, once "
    "untimed and once with every folded layer timed on its own, at batch 1 on its predecessor's "
    "output";
constexpr int kWarmupRounds = 3;

// Something to time, with an input of its own for where no other subject's result serves as one.
class Subject {
 public:
  Subject(Context& context, FoldedRunner& runner, std::uint32_t seed)
      : context_(context), runner_(runner) {
    const Shape& shape = runner.input_shape();
    input_ = context.Empty(shape, DType::kF32, MemoryCategory::kActivations);
    const Rng rng(seed, RngPurpose::kSynthetic);
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      numbers_.push_back(static_cast<float>(rng.Normal(0, static_cast<std::uint64_t>(i))));
    }
  }

  // Runs on `x` if it has the right shape, else on its own input, written anew. Returns the result;
  // `ms` gets the time.
  ConstView Run(ConstView x, double& ms) {
    if (x.empty() || x.shape != runner_.input_shape()) {
      context_.backend().CopyFromHost(input_.data(), numbers_.data(),
                                      static_cast<std::size_t>(input_.bytes()));
      context_.backend().Synchronize();
      x = input_;
    }
    ConstView result;
    ms = 1e3 * context_.backend().Seconds([&] { result = runner_.Run(x); });
    return result;
  }

  void Add(double sample_ms) { samples_.push_back(sample_ms); }
  RobustSummary Summary() const { return Summarize(samples_); }

 private:
  Context& context_;
  FoldedRunner& runner_;
  Tensor input_;
  std::vector<float> numbers_;
  std::vector<double> samples_;
};

void CheckOptions(const ProfileOptions& options) {
  NAS_CHECK(options.min_rounds >= 1 && options.rounds >= options.min_rounds, "profile: found ",
            options.rounds, " rounds and at least ", options.min_rounds,
            ", expected the first to be no smaller and both to be 1 or more");
  NAS_CHECK(std::isfinite(options.time_budget_s) && options.time_budget_s >= 0,
            "profile: found a time budget of ", options.time_budget_s, " s, expected 0 or more");
}

using Pass = std::vector<std::size_t>;

// Pass j takes the j-th layer of every group of layers from one size to one other: about a network,
// so that each layer finds in the caches what it would find there.
std::vector<Pass> PassesThrough(std::span<const KeyedLayer> layers) {
  std::vector<Pass> passes;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    std::size_t before = 0;
    for (std::size_t j = 0; j < i; ++j) {
      const LayerDesc& a = layers[i].layer;
      const LayerDesc& b = layers[j].layer;
      before += a.op == b.op && a.in == b.in && a.out == b.out ? 1 : 0;
    }
    if (before == passes.size()) passes.emplace_back();
    passes[before].push_back(i);
  }
  return passes;
}

// Each layer reads what the one before it wrote.
void RunPass(std::vector<Subject>& subjects, const Pass& pass, bool keep_samples) {
  ConstView x;
  for (const std::size_t i : pass) {
    double ms = 0;
    x = subjects[i].Run(x, ms);
    if (keep_samples) subjects[i].Add(ms);
  }
}

// Rounds over all passes, so that a change of the machine's speed meets all layers alike.
void SampleInTurn(std::vector<Subject>& subjects, std::span<const Pass> passes,
                  const ProfileOptions& options) {
  const Timer timer;
  for (int round = -kWarmupRounds; round < options.rounds; ++round) {
    if (round >= options.min_rounds && timer.seconds() >= options.time_budget_s) return;
    for (const Pass& pass : passes) {
      RunPass(subjects, pass, false);
      if (round >= 0) RunPass(subjects, pass, true);
    }
    if (round >= 0 && options.progress) {
      options.progress({round + 1, options.rounds, timer.seconds()});
    }
  }
}

}  // namespace

LatencyTable MeasureTable(Context& context, std::span<const KeyedLayer> layers,
                          const BatchNormDesc& batch_norm, const ProfileOptions& options) {
  CheckOptions(options);
  NAS_CHECK(!layers.empty(), "profile: found no layer, expected one or more");
  std::vector<FoldedRunner> runners;
  runners.reserve(layers.size());
  std::vector<Subject> subjects;
  for (const KeyedLayer& keyed : layers) {
    const FoldedGraph graph = FoldLayer(context, keyed.layer, batch_norm, options.seed);
    subjects.emplace_back(context, runners.emplace_back(context, graph, 1), options.seed);
  }
  SampleInTurn(subjects, PassesThrough(layers), options);

  LatencyTable table{.device = context.backend().name(),
                     .threads = context.threads(),
                     .batch = 1,
                     .dtype = "f32",
                     .runtime = "nasengine",
                     .created_by = "nasengine " NASENGINE_VERSION,
                     .protocol = kProtocol};
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const RobustSummary summary = subjects[i].Summary();
    table.entries[layers[i].key] = {
        .cost = summary.median, .mad = summary.mad, .samples = summary.count};
  }
  return table;
}

NetworkTiming MeasureNetwork(Context& context, const NetworkDesc& desc, FoldedRunner& runner,
                             const ProfileOptions& options) {
  CheckOptions(options);
  std::vector<FoldedRunner> layers;
  layers.reserve(desc.layers.size());
  std::vector<Subject> subjects;
  subjects.emplace_back(context, runner, options.seed);
  Pass through_layers;
  for (const LayerDesc& layer : desc.layers) {
    if (layer.op == LayerOp::kZero) continue;
    const FoldedGraph graph = FoldLayer(context, layer, desc.batch_norm, options.seed);
    through_layers.push_back(subjects.size());
    subjects.emplace_back(context, layers.emplace_back(context, graph, 1), options.seed);
  }
  SampleInTurn(subjects, std::vector<Pass>{{0}, through_layers}, options);
  NetworkTiming timing{.whole = subjects.front().Summary()};
  for (const std::size_t i : through_layers)
    timing.sum_of_layers_ms += subjects[i].Summary().median;
  return timing;
}

}  // namespace nasengine
