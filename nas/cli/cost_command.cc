// `nasengine cost`: what a whole search would cost on this machine, from a few steps measured on
// it.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "data/data_source.h"
#include "data/loader.h"
#include "kernels/core/error.h"
#include "kernels/core/timer.h"
#include "nas/cli/command.h"
#include "nas/cli/flags.h"
#include "nas/cli/memory_budget.h"
#include "nas/cli/search_cost.h"
#include "nas/cli/session.h"
#include "nas/config/machine.h"
#include "nas/config/run_config.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/space_file.h"
#include "nas/supernet/prepare.h"

namespace nasengine {
namespace {

constexpr char kDescription[] =
    "Device-hours, energy and price of a whole search on this machine: a few steps are measured\n"
    "and multiplied by the epochs and images of the space's recipe. Needs no data set.";
constexpr char kExamples[] =
    "  nasengine cost --space proxyless-imagenet\n"
    "      the published schedule on 1,281,167 images\n"
    "  nasengine cost --space proxyless-imagenet --watts 65 --price 0.10 --json\n"
    "  nasengine cost --space my.toml --images 20000 --batch 8\n"
    "  nasengine cost --data ~/idx-folder\n";

// Training images of the sets that the built-in spaces were made for.
struct PublishedSet {
  const char* space;
  std::int64_t images;
};
constexpr PublishedSet kPublishedSets[] = {
    {"proxyless-imagenet", 1'281'167}, {"cifar", 50'000}, {"fashion", 60'000}};

// A measured step takes at most so many pixels where --batch says nothing: seconds, not minutes.
constexpr std::int64_t kMeasuredPixels = 1 << 20;
constexpr int kWarmSteps = 1;
constexpr int kTimedSteps = 4;

struct CostConfig {
  RunConfig run;     // space, width, algorithm, batch, device, threads, kernels, seed, json
  std::string data;  // empty: synthetic images of the space's size
  std::optional<std::int64_t> images;
  CostRates rates;
};

void AddCostFlags(Flags& flags, CostConfig& config) {
  RunConfig& run = config.run;
  flags.Group("What");
  flags.Add("--space", run.space, "NAME|FILE", "Search space (default fashion)");
  flags.Add("--width", run.width, "Multiplier of the space's channels (default 1)");
  flags.Add("--data", config.data, "DATA",
            "Measure on these images and count them (default: synthetic ones of the space's size)");
  flags.Add("--images", config.images,
            "Training images to reckon with (default: the data's, or those of the set that the "
            "space was made for)");
  flags.Add("--algorithm", config.run.algorithm, "NAME",
            StrCat(AlgorithmList(), " (default proxyless-g)"));
  flags.Group("Rates");
  flags.Add("--watts", config.rates.watts, "Power of the machine at work; adds the energy");
  flags.Add("--price", config.rates.price_per_hour, "Of an hour of the machine; adds the price");
  flags.Group("Where");
  flags.Add("--batch", run.batch,
            "Images of a measured step, whose time is scaled to the recipe's batch (default: that "
            "one, or fewer images where they are large)");
  flags.Add("--device", run.device, "DEVICE", "cpu (default) or cuda:N");
  flags.Add("--threads", run.threads, "Default: as many as this process may use");
  flags.Add("--kernels", run.kernels, "ORDER", "Such as vendor,ours,reference");
  flags.Group("Run");
  flags.Add("--seed", run.seed, "Default 1");
  flags.AddSwitch("--json", run.json, "Print one JSON document on stdout");
  flags.AddConfigFile();
}

void Validate(const CostConfig& config) {
  ValidateConfig(config.run, AlgorithmNames());
  const auto check = [](const char* flag, const std::optional<double>& rate) {
    NAS_CHECK(!rate || (std::isfinite(*rate) && *rate > 0), flag, ": found ", *rate,
              ", expected more than 0");
  };
  check("--watts", config.rates.watts);
  check("--price", config.rates.price_per_hour);
  NAS_CHECK(!config.images || *config.images > 0, "--images: found ", *config.images,
            ", expected 1 or more");
  NAS_CHECK(!config.run.batch || *config.run.batch >= 2, "--batch: found ", *config.run.batch,
            ", expected 2 or more");
}

// Images to reckon with where neither flag nor data say so.
std::int64_t PublishedImages(const std::string& space) {
  for (const PublishedSet& set : kPublishedSets) {
    if (space == set.space) return set.images;
  }
  Throw(ErrorCode::kInvalidArgument, "space ", space,
        ": give --images N or --data DATA, from which the number of training images follows");
}

std::int64_t MeasuredBatch(const RunConfig& config, const SearchSpace& space) {
  if (config.batch) return *config.batch;
  const std::int64_t most = kMeasuredPixels / (space.input.h * space.input.w);
  return std::clamp<std::int64_t>(space.recipe.batch, 2, std::max<std::int64_t>(2, most));
}

DataSource OpenMeasuredData(const std::string& data, const SearchSpace& space, std::int64_t batch,
                            Allocator& allocator) {
  if (!data.empty()) return OpenDataSource(data, allocator);
  return OpenDataSource(StrCat("synthetic:", ToString(space.input), ":", space.classes), allocator,
                        {.synthetic_train_count = batch, .synthetic_test_count = 1});
}

// Everything that measuring an algorithm takes: its own steps, and a step that trains one path.
std::vector<SizedStep> StepsToMeasure(const SearchAlgorithm& algorithm, std::int64_t batch) {
  std::vector<SizedStep> steps{{PlannedStep::kWeights, batch}};
  for (const PlannedStep step : algorithm.steps) steps.push_back({step, batch});
  return steps;
}

void RequireMemory(Session& session, const SearchSpace& space, const std::vector<SizedStep>& steps,
                   std::int64_t batch) {
  const PlanOptions options{.batch = batch,
                            .threads = session.context().threads(),
                            .policy = session.context().policy(),
                            .device = &session.backend(),
                            .data_bytes = 0};
  RequireWithinBudget(space, session.registry(), steps, options, session.memory_budget());
}

StepSeconds Measure(Session& session, const SearchSpace& space, const DataSource& data,
                    const SearchAlgorithm& algorithm, std::int64_t batch, std::uint32_t seed) {
  NAS_CHECK(data.train->size() >= batch, "--batch: found ", batch, ", ", data.name, " has ",
            data.train->size(), " images");
  std::vector<std::int32_t> indices(static_cast<std::size_t>(batch));
  std::iota(indices.begin(), indices.end(), 0);
  EvalBatches batches(*data.train, indices, batch, data.stats, session.batch_memory());
  const Batch images = batches.Get(0);
  Context& context = session.context();
  Supernet supernet(context, space);
  supernet.Initialize(seed);
  PrepareSupernet(context, session.allocator(), supernet, StepsToMeasure(algorithm, batch));
  const Rng rng(seed, RngPurpose::kCalibration);
  // Mean over a few drawn paths, the same ones for every step.
  const auto seconds = [&](PlannedStep step) {
    double sum = 0;
    for (int i = 0; i < kWarmSteps + kTimedSteps; ++i) {
      const Path path = supernet.SamplePath(rng, static_cast<std::uint64_t>(i));
      const Timer timer;
      RehearseStep(context, supernet, step, path, images.images, images.labels);
      if (i >= kWarmSteps) sum += timer.seconds();
    }
    return sum / kTimedSteps;
  };
  StepSeconds measured{.training = seconds(PlannedStep::kWeights)};
  const PlannedStep weights = algorithm.steps.front();
  measured.weight = weights == PlannedStep::kWeights ? measured.training : seconds(weights);
  if (algorithm.steps.size() > 1) {
    measured.architecture = static_cast<double>(algorithm.architecture_steps(space.recipe).paths) *
                            seconds(algorithm.steps.back());
  }
  return measured;
}

// From steps of `batch` images to the recipe's: a step's time grows with its images.
StepSeconds Scaled(const StepSeconds& measured, std::int64_t batch, const Recipe& recipe,
                   const ArchitectureSteps& architecture) {
  const auto scale = [&](std::int64_t images) {
    return static_cast<double>(images) / static_cast<double>(batch);
  };
  return {.weight = measured.weight * scale(recipe.batch),
          .architecture = measured.architecture * scale(architecture.images),
          .training = measured.training * scale(TrainBatch(recipe))};
}

}  // namespace

int CostCommand(Arguments arguments) {
  CostConfig config;
  Flags flags("cost", kDescription, kExamples);
  AddCostFlags(flags, config);
  if (const auto code = flags.Parse(arguments)) return *code;
  Validate(config);
  const SearchAlgorithm& algorithm = FindAlgorithm(config.run.algorithm);

  SearchSpace space = LoadSpace(config.run.space, config.run.width);
  const ArchitectureSteps architecture = algorithm.architecture_steps(space.recipe);
  Session session({.device = config.run.device,
                   .threads = config.run.threads > 0 ? config.run.threads : AvailableThreads(),
                   .kernels = config.run.kernels});
  const std::int64_t batch = MeasuredBatch(config.run, space);
  const std::int64_t published =
      config.images || !config.data.empty() ? 0 : PublishedImages(config.run.space);
  const DataSource data = OpenMeasuredData(config.data, space, batch, session.host_allocator());
  const ImageShape image = data.train->image_shape();
  space = WithData(space, {image.h, image.w, image.c}, data.train->classes());
  const std::int64_t images = config.images   ? *config.images
                              : published > 0 ? published
                                              : data.train->size();
  // Refused before anything is measured.
  CostOfSearch(space.recipe, architecture, images, {});
  RequireMemory(session, space, StepsToMeasure(algorithm, batch), batch);
  const StepSeconds measured = Measure(session, space, data, algorithm, batch, config.run.seed);
  const SearchCost cost = CostOfSearch(space.recipe, architecture, images,
                                       Scaled(measured, batch, space.recipe, architecture));
  const CostContext context{.space = space.name,
                            .data = data.name,
                            .algorithm = config.run.algorithm,
                            .device = config.run.device,
                            .device_name = session.backend().name(),
                            .threads = session.context().threads(),
                            .measured_batch = batch,
                            .measured = measured};
  const auto text = config.run.json ? CostJson : CostText;
  std::fputs(text(cost, config.rates, context).c_str(), stdout);
  return kExitDone;
}

}  // namespace nasengine
