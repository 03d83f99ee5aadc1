// `nasengine cost`: what a whole search would cost on this machine, from a few steps measured on
// it.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "data/data_source.h"
#include "data/loader.h"
#include "data/split.h"
#include "kernels/core/error.h"
#include "nas/cli/command.h"
#include "nas/cli/flags.h"
#include "nas/cli/memory_budget.h"
#include "nas/cli/search_cost.h"
#include "nas/cli/search_estimate.h"
#include "nas/cli/session.h"
#include "nas/config/machine.h"
#include "nas/config/run_config.h"
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
// Batches of images that measuring goes through.
constexpr std::int64_t kMeasuredBatches = 8;

struct CostConfig {
  RunConfig run;     // space, algorithm, batch, device, threads, kernels, seed, json
  std::string data;  // empty: synthetic images of the space's size
  std::optional<std::int64_t> images;
  CostRates rates;
};

void AddCostFlags(Flags& flags, CostConfig& config) {
  RunConfig& run = config.run;
  flags.Group("What");
  flags.Add("--space", run.space, "NAME|FILE", "Search space (default fashion)");
  flags.Add("--data", config.data, "DATA",
            "Measure and count on these images (default: synthetic ones of the space's size)");
  flags.Add("--images", config.images,
            "Training images to reckon with (default: the data's, or those of the set that the "
            "space was made for)");
  flags.Add("--algorithm", run.algorithm, "NAME", "proxyless-g");
  flags.Group("Rates");
  flags.Add("--watts", config.rates.watts, "Power of the machine at work; adds the energy");
  flags.Add("--price", config.rates.price_per_hour, "Of an hour of the machine; adds the price");
  flags.Group("Where");
  flags.Add("--batch", run.batch,
            "Images of a measured step, whose time is scaled to the recipe's batch (default: that "
            "one, or fewer images where they are large)");
  flags.Add("--device", run.device, "DEVICE", "cpu");
  flags.Add("--threads", run.threads, "Default: as many as this process may use");
  flags.Add("--kernels", run.kernels, "ORDER", "Such as vendor,ours,reference");
  flags.Group("Run");
  flags.Add("--seed", run.seed, "Default 1");
  flags.AddSwitch("--json", run.json, "Print one JSON document on stdout");
  flags.AddConfigFile();
}

void Validate(const CostConfig& config) {
  ValidateConfig(config.run);
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
  const std::int64_t count = kMeasuredBatches * batch;
  return OpenDataSource(StrCat("synthetic:", ToString(space.input), ":", space.classes), allocator,
                        {.synthetic_train_count = count, .synthetic_test_count = 1});
}

std::vector<SizedStep> MeasuredKinds(std::int64_t batch) {
  return {{PlannedStep::kWeights, batch}, {PlannedStep::kArchitecture, batch}};
}

void RequireMemory(Session& session, const SearchSpace& space, std::int64_t batch) {
  const PlanOptions options{.batch = batch,
                            .threads = session.context().threads(),
                            .policy = session.context().policy(),
                            .data_bytes = 0};
  const std::vector<SizedStep> steps = MeasuredKinds(batch);
  RequireWithinBudget(space, session.registry(), steps, options,
                      PlanSearch(space, session.registry(), steps, options).peak,
                      DefaultMemoryBudget());
}

// Seconds of steps of `batch` images, none of which changes anything.
MeasuredSteps Measure(Session& session, const SearchSpace& space, const DataSource& data,
                      std::int64_t batch, std::uint32_t seed) {
  const std::int64_t images = data.train->size();
  NAS_CHECK(images >= 2 * batch, "--batch: found ", batch, ", ", data.name, " has ", images,
            " images, expected twice the batch or more");
  const Split split = StratifiedSplit(*data.train, images / 2, seed);
  const AugmentConfig augment{.stats = data.stats,
                              .pad = space.recipe.crop_pad,
                              .flip = space.recipe.flip,
                              .cutout = space.recipe.cutout};
  Loader weight_loader(*data.train, split.weights,
                       {.batch_size = batch, .augment = augment, .seed = seed},
                       session.allocator());
  Loader arch_loader(*data.train, split.architecture,
                     {.batch_size = batch, .augment = WithoutAugmentation(augment), .seed = seed},
                     session.allocator());
  Supernet supernet(session.context(), space);
  supernet.Initialize(seed);
  PrepareSupernet(session.context(), session.allocator(), supernet, MeasuredKinds(batch));
  return MeasureSteps(session.context(), supernet, weight_loader, arch_loader, seed);
}

// `measured` is of steps of `batch` images; a step's time grows with its images.
StepSeconds Scaled(const MeasuredSteps& measured, std::int64_t batch, const Recipe& recipe) {
  const auto weight_scale = static_cast<double>(recipe.batch) / static_cast<double>(batch);
  const std::int64_t arch_batch = recipe.arch_batch > 0 ? recipe.arch_batch : recipe.batch;
  const auto arch_scale = static_cast<double>(arch_batch) / static_cast<double>(batch);
  return {.weight = measured.weight_seconds * weight_scale,
          .architecture = measured.architecture_seconds * arch_scale,
          .training = measured.weight_seconds * weight_scale};
}

}  // namespace

int CostCommand(Arguments arguments) {
  CostConfig config;
  Flags flags("cost", kDescription, kExamples);
  AddCostFlags(flags, config);
  if (const auto code = flags.Parse(arguments)) return *code;
  Validate(config);

  SearchSpace space = LoadSpace(config.run.space);
  Session session({.device = config.run.device,
                   .threads = config.run.threads > 0 ? config.run.threads : AvailableThreads(),
                   .kernels = config.run.kernels});
  const std::int64_t batch = MeasuredBatch(config.run, space);
  const std::int64_t published =
      config.images || !config.data.empty() ? 0 : PublishedImages(config.run.space);
  const DataSource data = OpenMeasuredData(config.data, space, batch, session.allocator());
  const ImageShape image = data.train->image_shape();
  space = WithData(space, {image.h, image.w, image.c}, data.train->classes());
  const std::int64_t images = config.images   ? *config.images
                              : published > 0 ? published
                                              : data.train->size();
  // Refused before anything is measured.
  CostOfSearch(space.recipe, images, {});
  RequireMemory(session, space, batch);
  const MeasuredSteps measured = Measure(session, space, data, batch, config.run.seed);
  const SearchCost cost = CostOfSearch(space.recipe, images, Scaled(measured, batch, space.recipe));
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
