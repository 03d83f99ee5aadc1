// SPDX-License-Identifier: MIT
#include "nas/cli/search_cost.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "nas/report/format.h"
#include "nas/train/recipe_images.h"
#include "nas/train/search_schedule.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kSecondsPerHour = 3600;
constexpr double kWattsPerKilowatt = 1000;

// Searches for ImageNet, as the authors of ProxylessNAS list them (ICLR 2019, poster and README).
struct PublishedSearch {
  const char* name;
  int gpu_hours;
  const char* assumes;
};
constexpr PublishedSearch kPublished[] = {
    {"NASNet-A", 48'000, "searched on a proxy task, then transferred"},
    {"AmoebaNet-A", 75'600, "searched on a proxy task, then transferred"},
    {"MnasNet", 40'000, "8,000 models of 5 epochs each; the ProxylessNAS authors' estimate"},
    {"ProxylessNAS", 200, "searched on ImageNet itself, without the training that follows"},
};
constexpr char kPublishedNote[] =
    "They assume data-centre GPUs, the V100 or its elders: no hour of this machine is one of "
    "theirs.\n"
    "  What carries over is a search beside the training of the network that it finds.";

double Hours(double seconds) { return seconds / kSecondsPerHour; }

// "0.245", "42.5", "3,207".
std::string Readable(double value) {
  if (value >= 1000) return FormatCount(std::llround(value));
  return value >= 10 ? fmt::format("{:.1f}", value) : fmt::format("{:.3f}", value);
}

std::string HoursText(double seconds) { return Readable(Hours(seconds)); }

double KilowattHours(double watts, double seconds) {
  return watts / kWattsPerKilowatt * Hours(seconds);
}

std::string PhaseLine(const char* name, const PhaseCost& phase) {
  return fmt::format("  {:<10}{:>8}{:>16}{:>22}{:>14}\n", name, phase.epochs,
                     FormatCount(phase.weight_steps), FormatCount(phase.architecture_steps),
                     HoursText(phase.seconds));
}

std::string RatesText(const SearchCost& cost, const CostRates& rates) {
  std::string text;
  if (rates.watts) {
    text += fmt::format("  {:<10}search {} kWh, with training {} kWh, at {:g} W\n", "energy",
                        Readable(KilowattHours(*rates.watts, cost.search_seconds())),
                        Readable(KilowattHours(*rates.watts, cost.total_seconds())), *rates.watts);
  }
  if (rates.price_per_hour) {
    text += fmt::format("  {:<10}search {:.2f}, with training {:.2f}, at {:g} an hour\n", "price",
                        *rates.price_per_hour * Hours(cost.search_seconds()),
                        *rates.price_per_hour * Hours(cost.total_seconds()), *rates.price_per_hour);
  }
  return text;
}

Json PhaseJson(const PhaseCost& phase) {
  return {{"epochs", phase.epochs},
          {"weight_steps", phase.weight_steps},
          {"architecture_steps", phase.architecture_steps},
          {"seconds", phase.seconds},
          {"device_hours", Hours(phase.seconds)}};
}

// {"search": ..., "total": ...}, or null where there is no `rate`; `of(rate, seconds)` is a value.
template <class Of>
Json RatedJson(const SearchCost& cost, const std::optional<double>& rate, const Of& of) {
  if (!rate) return {};
  return {{"search", of(*rate, cost.search_seconds())}, {"total", of(*rate, cost.total_seconds())}};
}

}  // namespace

SearchCost CostOfSearch(const Recipe& recipe, const ArchitectureSteps& architecture,
                        std::int64_t images, const StepSeconds& steps) {
  const auto held_out = static_cast<std::int64_t>(
      std::llround(recipe.validation_fraction * static_cast<double>(images)));
  const std::int64_t training = images - held_out;
  NAS_CHECK(held_out >= 2 && training >= recipe.batch, "--images: found ", images, ", of which ",
            held_out, " are held out; expected 2 of them or more, and ", recipe.batch,
            " others or more, a batch");
  const auto batches = [&](std::int64_t batch) {
    return BatchesPerEpoch(training, batch, TrainingOrder(recipe));
  };
  SearchCost cost{.images = images,
                  .held_out = held_out,
                  .batch = recipe.batch,
                  .train_batch = TrainBatch(recipe),
                  .batches_per_epoch = batches(recipe.batch),
                  .warmup = {},
                  .search = {},
                  .train = {}};
  const SearchSchedule schedule(recipe, architecture, cost.batches_per_epoch, 0);
  const auto phase = [&](int epochs, std::int64_t weight_steps, std::int64_t architecture_steps,
                         double weight_seconds) {
    return PhaseCost{.epochs = epochs,
                     .weight_steps = weight_steps,
                     .architecture_steps = architecture_steps,
                     .seconds = static_cast<double>(weight_steps) * weight_seconds +
                                static_cast<double>(architecture_steps) * steps.architecture};
  };
  cost.warmup = phase(recipe.warmup_epochs, schedule.warmup_steps(), 0, steps.weight);
  cost.search = phase(recipe.search_epochs, schedule.search_steps(), schedule.architecture_steps(),
                      steps.weight);
  cost.train = phase(recipe.train_epochs, recipe.train_epochs * batches(TrainBatch(recipe)), 0,
                     steps.training);
  return cost;
}

double SearchCost::times_training_steps() const {
  if (train.weight_steps == 0) return 0;
  const auto steps = static_cast<double>(warmup.weight_steps + search.weight_steps);
  const double images_ratio = static_cast<double>(batch) / static_cast<double>(train_batch);
  const double training_step = train.seconds / static_cast<double>(train.weight_steps);
  return search_seconds() / (steps * images_ratio * training_step);
}

std::string CostText(const SearchCost& cost, const CostRates& rates, const CostContext& context) {
  std::string text =
      fmt::format("Cost of searching {} with {} on {}, {} thread(s)\n\n", context.space,
                  context.algorithm, context.device_name, context.threads);
  text += fmt::format("  {:<10}weight step {}, architecture step {}, training step {}\n",
                      "measured", FormatSeconds(context.measured.weight),
                      FormatSeconds(context.measured.architecture),
                      FormatSeconds(context.measured.training));
  text += fmt::format("  {:<10}at batch {} of {}, without loading and the optimiser's update\n", "",
                      context.measured_batch, context.data);
  text += fmt::format("  {:<10}{}, {} of them held out; {} batches of {} an epoch\n\n", "images",
                      FormatCount(cost.images), FormatCount(cost.held_out),
                      FormatCount(cost.batches_per_epoch), cost.batch);
  text += fmt::format("  {:<10}{:>8}{:>16}{:>22}{:>14}\n", "phase", "epochs", "weight steps",
                      "architecture steps", "device-hours");
  text += PhaseLine("warm-up", cost.warmup) + PhaseLine("search", cost.search) +
          PhaseLine("training", cost.train);
  text += fmt::format("  {:<56}{:>14}\n\n", "total", HoursText(cost.total_seconds()));
  text += fmt::format("  {:<10}warm-up and search: {} device-hours", "search",
                      HoursText(cost.search_seconds()));
  if (cost.train.seconds > 0) {
    text += fmt::format(", {:.2f} times the training, {:.2f} times one of as many steps",
                        cost.search_seconds() / cost.train.seconds, cost.times_training_steps());
  }
  text += "\n" + RatesText(cost, rates);
  text += "\n  Published searches for ImageNet, GPU-hours\n";
  for (const PublishedSearch& published : kPublished) {
    text += fmt::format("    {:<14}{:>7}  {}\n", published.name, FormatCount(published.gpu_hours),
                        published.assumes);
  }
  return text + "\n  " + kPublishedNote + "\n";
}

std::string CostJson(const SearchCost& cost, const CostRates& rates, const CostContext& context) {
  Json json{
      {"space", context.space},
      {"data", context.data},
      {"algorithm", context.algorithm},
      {"device", context.device},
      {"device_name", context.device_name},
      {"threads", context.threads},
      {"dtype", "f32"},
      {"measured",
       {{"batch", context.measured_batch},
        {"weight_seconds", context.measured.weight},
        {"architecture_seconds", context.measured.architecture},
        {"training_seconds", context.measured.training}}},
      {"images", cost.images},
      {"held_out", cost.held_out},
      {"batch", cost.batch},
      {"batches_per_epoch", cost.batches_per_epoch},
      {"phases",
       {{"warmup", PhaseJson(cost.warmup)},
        {"search", PhaseJson(cost.search)},
        {"train", PhaseJson(cost.train)}}},
      {"device_hours",
       {{"search", Hours(cost.search_seconds())}, {"total", Hours(cost.total_seconds())}}},
      {"kilowatt_hours", RatedJson(cost, rates.watts, KilowattHours)},
      {"price", RatedJson(cost, rates.price_per_hour,
                          [](double rate, double s) { return rate * Hours(s); })},
      {"times_training",
       cost.train.seconds > 0 ? Json(cost.search_seconds() / cost.train.seconds) : Json()},
      {"times_training_steps", cost.train.seconds > 0 ? Json(cost.times_training_steps()) : Json()},
      {"published", Json::array()}};
  for (const PublishedSearch& published : kPublished) {
    json["published"].push_back({{"name", published.name},
                                 {"gpu_hours", published.gpu_hours},
                                 {"assumes", published.assumes}});
  }
  return json.dump(2) + "\n";
}

}  // namespace nasengine
