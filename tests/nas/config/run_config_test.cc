// SPDX-License-Identifier: MIT
#include "nas/config/run_config.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr std::array<std::string_view, 2> kAlgorithms = {"proxyless-g", "another"};

std::string MessageOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

std::string ApplyMessage(const std::string& toml) {
  RunConfig config;
  return MessageOf([&] { ApplyConfigToml(toml, "my.toml", config); });
}

std::string ValidateMessage(const std::function<void(RunConfig&)>& change) {
  RunConfig config;
  change(config);
  return MessageOf([&] { ValidateConfig(config, kAlgorithms); });
}

TEST(RunConfigTest, KeepsWhatTheFileDoesNotName) {
  RunConfig config;
  config.seed = 7;
  config.batch = 64;
  ApplyConfigToml("epochs = 3\nkernels = \"vendor\"\ntime-budget = \"20m\"\nbaselines = true\n",
                  "my.toml", config);
  EXPECT_EQ(config.epochs, 3);
  EXPECT_EQ(config.kernels, "vendor");
  EXPECT_EQ(config.time_budget_seconds, 1200);
  EXPECT_TRUE(config.baselines);
  EXPECT_EQ(config.seed, 7u);
  EXPECT_EQ(config.batch, 64);
}

TEST(RunConfigTest, RefusesWithLineAndColumn) {
  EXPECT_EQ(ApplyMessage("seed = 1\nepoch = 3\n").rfind("my.toml:2:1: ", 0), 0u)
      << ApplyMessage("seed = 1\nepoch = 3\n");
  EXPECT_EQ(ApplyMessage("seed = \"one\"\n").rfind("my.toml:1:8: found 'one', expected", 0), 0u);
  EXPECT_EQ(ApplyMessage("width = 0\n"), "my.toml:1:9: found 0, expected a number from 0.05 to 10");
  EXPECT_EQ(ApplyMessage("seed = -1\n").rfind("my.toml:1:8: found -1", 0), 0u);
  EXPECT_EQ(ApplyMessage("time-budget = \"soon\"").rfind("my.toml:1:15: found 'soon'", 0), 0u);
  EXPECT_EQ(ApplyMessage("[recipe]\nalpha_rate = 1\n").rfind("my.toml:2:1: ", 0), 0u);
  EXPECT_EQ(ApplyMessage("epochs = \n").rfind("my.toml:1:", 0), 0u);
  // What later versions of the program may know is unknown here.
  for (const char* key : {"resume", "target-latency", "checkpoint"}) {
    EXPECT_NE(ApplyMessage(std::string(key) + " = \"x\"").find(key), std::string::npos);
  }
}

TEST(RunConfigTest, OverridesTheRecipeOfTheSpace) {
  RunConfig config;
  ApplyConfigToml("epochs = 3\n[recipe]\nalpha_lr = 0.25\nsearch_epochs = 9\n", "my.toml", config);
  Recipe space;
  space.warmup_epochs = 11;
  const Recipe recipe = ResolveRecipe(config, space);
  EXPECT_EQ(recipe.warmup_epochs, 11);  // of the space
  EXPECT_EQ(recipe.alpha_lr, 0.25);     // of the table
  EXPECT_EQ(recipe.search_epochs, 3);   // of the flag, over the table
}

TEST(RunConfigTest, APresetLiesBetweenTheSpaceAndTheTable) {
  RunConfig config;
  ApplyConfigToml("preset = \"official\"\nbatch = 32\n[recipe]\nvalidate_every = 3\n", "my.toml",
                  config);
  Recipe space;
  space.label_smoothing = 0;
  space.validate_every = 7;
  space.mean = {0.5};
  space.std = {0.25};
  const Recipe recipe = ResolveRecipe(config, space);
  EXPECT_EQ(recipe.label_smoothing, 0.1);  // of the preset
  EXPECT_TRUE(recipe.resized_crop);
  EXPECT_EQ(recipe.mean, space.mean);   // of the space, since no preset knows the data
  EXPECT_EQ(recipe.validate_every, 3);  // of the table
  EXPECT_EQ(recipe.batch, 32);          // of the flag
  RunConfig back;
  ApplyConfigToml(ConfigToToml(config, recipe), "run.toml", back);
  EXPECT_TRUE(back.preset.empty());
  EXPECT_EQ(ResolveRecipe(back, space), recipe);
}

TEST(RunConfigTest, WritesWhatItReadsBack) {
  RunConfig config;
  config.data = "folder \"with\" \\ and \x01";
  config.space = "my space.toml";
  config.width = 0.75;
  config.objective = "none";
  config.latency_table = "/a/b/latency.json";
  config.reference_latency_ms = 0.1 + 0.2;
  config.max_steps = 12;
  config.init = "random";
  config.baselines = true;
  config.threads = 3;
  config.kernels = "ours,reference";
  config.seed = 4294967295u;
  config.memory_budget = 123456789012;
  Recipe recipe{.batch = 17,
                .arch_batch = 5,
                .warmup_epochs = 2,
                .search_epochs = 3,
                .train_epochs = 4,
                .warmup_lr = 1.0 / 3,
                .search_lr = 1e-5,
                .train_lr = 2,
                .momentum = 0.7,
                .weight_decay = 0,
                .label_smoothing = 0.05,
                .alpha_lr = 0.006,
                .arch_every = 7,
                .arch_start_epoch = 2,
                .alpha_init_std = 0.5,
                .rl_samples = 11,
                .rl_batch = 77,
                .rl_updates_per_epoch = 13,
                .rl_latency_exponent = 0.07,
                .rl_baseline_weight = 0.01,
                .rl_alpha_lr = 0.01,
                .random_samples = 21,
                .latency_weight = 0.3,
                .validation_fraction = 1.0 / 7,
                .crop_pad = 3,
                .flip = false,
                .cutout = 8,
                .dropout = 0.4,
                .calibration_batches = 9};

  RunConfig back;
  ApplyConfigToml(ConfigToToml(config, recipe), "run.toml", back);

  EXPECT_EQ(ResolveRecipe(back, Recipe{}), recipe);
  EXPECT_EQ(back.data, config.data);
  EXPECT_EQ(back.space, config.space);
  EXPECT_EQ(back.width, config.width);
  EXPECT_EQ(back.objective, config.objective);
  EXPECT_EQ(back.latency_table, config.latency_table);
  EXPECT_EQ(back.reference_latency_ms, config.reference_latency_ms);
  EXPECT_EQ(back.max_steps, config.max_steps);
  EXPECT_EQ(back.init, config.init);
  EXPECT_EQ(back.baselines, config.baselines);
  EXPECT_EQ(back.threads, config.threads);
  EXPECT_EQ(back.kernels, config.kernels);
  EXPECT_EQ(back.seed, config.seed);
  EXPECT_EQ(back.memory_budget, config.memory_budget);
}

TEST(RunConfigTest, ValidatesWords) {
  ValidateConfig(RunConfig{}, kAlgorithms);
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.algorithm = "magic"; }),
            "--algorithm: found 'magic', accepted: proxyless-g, another");
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.objective = "target"; }),
            "--objective: found 'target', accepted: add-linear, mul-log, none");
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.preset = "mine"; }),
            "--preset: found 'mine', accepted: official, official-parallel, official-cifar");
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.dtype = "f16"; }),
            "--dtype: found 'f16', accepted: f32, bf16");
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.init = "zero"; }),
            "--init: found 'zero', accepted: inherited, random");
  RunConfig on_cuda;
  on_cuda.device = "cuda:0";
  EXPECT_NO_THROW(ValidateConfig(on_cuda, kAlgorithms));
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.device = "cuda:x"; }),
            "--device: found 'cuda:x', expected cpu or cuda:N");
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.device = "tpu"; }),
            "--device: found 'tpu', expected cpu or cuda:N");
}

TEST(RunConfigTest, ValidatesNumbers) {
  EXPECT_EQ(ValidateMessage([](RunConfig& c) { c.width = 0; }),
            "--width: found 0, expected a number from 0.05 to 10");
  EXPECT_NE(ValidateMessage([](RunConfig& c) { c.batch = 0; }).find("--batch: found 0"),
            std::string::npos);
  EXPECT_NE(ValidateMessage([](RunConfig& c) { c.epochs = -1; }).find("--epochs: found -1"),
            std::string::npos);
  EXPECT_NE(ValidateMessage([](RunConfig& c) { c.arch_every = 0; }).find("--arch-every: found 0"),
            std::string::npos);
  EXPECT_NE(ValidateMessage([](RunConfig& c) { c.threads = -2; }).find("--threads: found -2"),
            std::string::npos);
  EXPECT_NE(ValidateMessage([](RunConfig& c) { c.max_steps = -5; }).find("--max-steps: found -5"),
            std::string::npos);
}

}  // namespace
}  // namespace nasengine
