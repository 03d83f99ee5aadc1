// The arithmetic of a whole search, on the published schedule and by hand.
// SPDX-License-Identifier: MIT
#include "nas/cli/search_cost.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

constexpr std::int64_t kImageNetImages = 1'281'167;

ArchitectureSteps ArchitectureOf(const Recipe& recipe) {
  return FindAlgorithm("proxyless-g").architecture_steps(recipe);
}

SearchCost ImageNetCost(const StepSeconds& steps) {
  const Recipe recipe = LoadSpace("proxyless-imagenet").recipe;
  return CostOfSearch(recipe, ArchitectureOf(recipe), kImageNetImages, steps);
}

CostContext Context() {
  return {.space = "proxyless-imagenet",
          .data = "synthetic:224x224x3:1000",
          .algorithm = "proxyless-g",
          .device = "cpu",
          .device_name = "Some CPU",
          .threads = 2,
          .measured_batch = 16,
          .measured = {.weight = 0.5, .architecture = 1, .training = 0.25}};
}

TEST(SearchCostTest, TakesThePublishedSteps) {
  const SearchCost cost = ImageNetCost({});
  EXPECT_EQ(cost.held_out, 50'000);
  EXPECT_EQ(cost.batches_per_epoch, 4'810);
  EXPECT_EQ(cost.warmup.weight_steps, 192'400);
  EXPECT_EQ(cost.warmup.architecture_steps, 0);
  EXPECT_EQ(cost.search.weight_steps, 577'200);
  EXPECT_EQ(cost.search.architecture_steps, 114'478);
  EXPECT_EQ(cost.train.weight_steps, 300 * 4'810);
}

TEST(SearchCostTest, MultipliesStepsBySeconds) {
  const SearchCost cost = ImageNetCost({.weight = 8, .architecture = 16, .training = 2});
  EXPECT_DOUBLE_EQ(cost.warmup.seconds, 192'400.0 * 8);
  EXPECT_DOUBLE_EQ(cost.search.seconds, 577'200.0 * 8 + 114'478.0 * 16);
  EXPECT_DOUBLE_EQ(cost.train.seconds, 1'443'000.0 * 2);
  EXPECT_DOUBLE_EQ(cost.total_seconds(), cost.search_seconds() + cost.train.seconds);
}

TEST(SearchCostTest, ComparesWithTrainingForAsManySteps) {
  // 769,600 weight steps of 8 s and 114,478 architecture steps of 16 s beside 769,600 of 4 s.
  const SearchCost cost = ImageNetCost({.weight = 8, .architecture = 16, .training = 4});
  EXPECT_NEAR(cost.times_training_steps(), 2 * (1 + 114'478.0 * 2 / 769'600), 1e-12);
  Recipe recipe = LoadSpace("fashion").recipe;
  recipe.train_epochs = 0;
  const StepSeconds steps{.weight = 1, .architecture = 1, .training = 1};
  EXPECT_EQ(CostOfSearch(recipe, ArchitectureOf(recipe), 60'000, steps).times_training_steps(), 0);
}

TEST(SearchCostTest, RefusesTooFewImages) {
  Recipe recipe = LoadSpace("fashion").recipe;  // batches of 64, a tenth held out
  EXPECT_NO_THROW(CostOfSearch(recipe, ArchitectureOf(recipe), 72, {}));
  for (const std::int64_t images : {1, 10, 70}) {
    EXPECT_THROW(CostOfSearch(recipe, ArchitectureOf(recipe), images, {}), Error) << images;
  }
  recipe.validation_fraction = 0;
  EXPECT_THROW(CostOfSearch(recipe, ArchitectureOf(recipe), 1'000, {}), Error);
}

TEST(SearchCostTest, SaysHoursEnergyPriceAndWhatOthersPaid) {
  const std::string text = CostText(ImageNetCost({.weight = 8, .architecture = 16, .training = 8}),
                                    {.watts = 100, .price_per_hour = 0.1}, Context());
  EXPECT_EQ(text.substr(0, text.find("  They assume")),
            R"(Cost of searching proxyless-imagenet with proxyless-g on Some CPU, 2 thread(s)

  measured  weight step 0.50 s, architecture step 1.00 s, training step 0.25 s
            at batch 16 of synthetic:224x224x3:1000, without loading and the optimiser's update
  images    1,281,167, 50,000 of them held out; 4,810 batches of 256 an epoch

  phase       epochs    weight steps    architecture steps  device-hours
  warm-up         40         192,400                     0         427.6
  search         120         577,200               114,478         1,791
  training       300       1,443,000                     0         3,207
  total                                                            5,426

  search    warm-up and search: 2,219 device-hours, 0.69 times the training, 1.30 times one of as many steps
  energy    search 221.9 kWh, with training 542.6 kWh, at 100 W
  price     search 221.90, with training 542.57, at 0.1 an hour

  Published searches for ImageNet, GPU-hours
    NASNet-A       48,000  searched on a proxy task, then transferred
    AmoebaNet-A    75,600  searched on a proxy task, then transferred
    MnasNet        40,000  8,000 models of 5 epochs each; the ProxylessNAS authors' estimate
    ProxylessNAS      200  searched on ImageNet itself, without the training that follows

)");
}

TEST(SearchCostTest, LeavesOutRatesThatNobodyGave) {
  const SearchCost cost = ImageNetCost({.weight = 1, .architecture = 1, .training = 1});
  const std::string text = CostText(cost, {}, Context());
  EXPECT_EQ(text.find("energy"), std::string::npos);
  EXPECT_EQ(text.find("price"), std::string::npos);
  const auto json = nlohmann::json::parse(CostJson(cost, {}, Context()));
  EXPECT_TRUE(json["kilowatt_hours"].is_null());
  EXPECT_TRUE(json["price"].is_null());
}

TEST(SearchCostTest, JsonHasTheSameNumbers) {
  const SearchCost cost = ImageNetCost({.weight = 8, .architecture = 16, .training = 8});
  const auto json =
      nlohmann::json::parse(CostJson(cost, {.watts = 100, .price_per_hour = 0.1}, Context()));
  EXPECT_EQ(json["phases"]["search"]["architecture_steps"], 114'478);
  const double hours = json["device_hours"]["search"];
  EXPECT_DOUBLE_EQ(hours, cost.search_seconds() / 3600);
  EXPECT_DOUBLE_EQ(json["kilowatt_hours"]["search"], hours / 10);
  EXPECT_DOUBLE_EQ(json["price"]["search"], hours / 10);
  EXPECT_EQ(json["published"][0]["gpu_hours"], 48'000);
  EXPECT_EQ(json["measured"]["batch"], 16);
}

}  // namespace
}  // namespace nasengine
