// Everything that decides a search, in one place: what flags and `--config` files fill in and what
// run.toml writes back so that the run can be repeated.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nas/space/recipe.h"
#include "nas/space/source_value.h"

namespace nasengine {

struct RunConfig {
  std::string data = "fashion-mnist";
  std::string space = "fashion";  // a built-in name or a file
  double width = 1.0;             // multiplier of its channels (nas/space/width.h)
  std::string algorithm = "proxyless-g";
  std::string objective;                  // empty: the algorithm's own
  std::string latency_table = "measure";  // "macs", or a file
  std::string cost;                       // which of the table's costs counts; empty: latency
  // The classes that the table's head was measured with; 0: as many as the data have.
  std::int64_t latency_classes = 0;
  // In ms, or in the unit of the table's cost. Default: midway between the smallest reachable
  // latency and the expectation at uniform alphas.
  std::optional<double> reference_latency_ms;
  // It was given as a time, which only latency can be compared with.
  bool reference_is_time = false;

  // A published recipe by name, in place of the space's values; empty: none.
  std::string preset;
  // [recipe] of a configuration file, with the keys of a space file's [recipe]: single values in
  // place of the space's and the preset's.
  std::optional<SourceValue> recipe;
  // In place of all of them.
  std::optional<int> warmup_epochs;
  std::optional<int> epochs;
  std::optional<int> train_epochs;
  std::optional<std::int64_t> batch;
  std::optional<int> arch_every;
  // Above 0: at most so many weight steps in each of warm-up, search and training.
  std::int64_t max_steps = 0;

  std::string init = "inherited";  // where the derived network's weights start; or "random"
  bool baselines = false;
  std::string device = "cpu";
  std::string dtype = "f32";  // that steps compute in; or "bf16"
  int threads = 0;            // 0: as many as the process may use
  std::string kernels;        // empty: as measured; a list such as "vendor,reference"; or "check"
  std::uint32_t seed = 1;

  std::string out;                 // empty: runs/DATE-SPACE-N
  std::int64_t memory_budget = 0;  // bytes; 0: 85 % of what the cgroup and the machine have
  double time_budget_seconds = 0;  // 0: none
  bool dry_run = false;
  bool profile_step = false;
  bool json = false;
  bool force = false;
};

// Throws kInvalidArgument or kUnsupported, naming flag, value and what is accepted, for a value
// that no search could run with; `algorithms` are the names that --algorithm may have. What only a
// file or the device can tell is left to whoever opens it.
void ValidateConfig(const RunConfig& config, std::span<const std::string_view> algorithms);

// The space's recipe with the configuration's overrides.
Recipe ResolveRecipe(const RunConfig& config, const Recipe& recipe);

// Reads keys of the same names as the flags, e.g. warmup-epochs = 3, and [recipe] over `config`.
// Throws kInvalidArgument "origin:line:column: found ..., expected ..." on an unknown key or a
// wrong type.
void ApplyConfigToml(std::string_view toml, std::string_view origin, RunConfig& config);

// A file that ApplyConfigToml reads back to the same configuration; the recipe's values are written
// out, so that a later change of the space's defaults does not change the repetition. How a run is
// started (out, dry-run,
// profile-step, json, force) and its time budget, which the recipe holds already, are not.
std::string ConfigToToml(const RunConfig& config, const Recipe& recipe);

// "20ms", "0.5 ms", "1s" -> milliseconds, "300" -> 300 of whatever the table counts; "20m", "2h",
// "90s" -> seconds; "2GiB", "512MiB", bytes -> bytes. Throw kInvalidArgument naming `flag`, what
// was found and what is accepted.
struct ReferenceCost {
  double value = 0;
  bool is_time = false;
};
ReferenceCost ParseReference(std::string_view flag, std::string_view text);
double ParseSeconds(std::string_view flag, std::string_view text);
std::int64_t ParseBytes(std::string_view flag, std::string_view text);

}  // namespace nasengine
