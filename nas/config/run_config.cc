// A run's configuration from TOML and back.
// SPDX-License-Identifier: MIT
#include "nas/config/run_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "kernels/core/error.h"
#include "nas/space/recipe_fields.h"
#include "nas/space/recipe_reader.h"
#include "nas/space/width.h"

namespace nasengine {
namespace {

constexpr int kMaxEpochs = static_cast<int>(kEpochs.high);
constexpr int kMaxThreads = 4096;
constexpr std::int64_t kMaxClasses = 1000000;
constexpr std::int64_t kMaxSteps = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxSeed = std::numeric_limits<std::uint32_t>::max();

constexpr std::array<std::string_view, 3> kObjectives = {"add-linear", "mul-log", "none"};
constexpr std::array<std::string_view, 2> kInits = {"inherited", "random"};
constexpr std::array<std::string_view, 2> kDTypes = {"f32", "bf16"};

void CheckWord(std::string_view flag, const std::string& found,
               std::span<const std::string_view> accepted) {
  if (std::find(accepted.begin(), accepted.end(), found) != accepted.end()) return;
  std::string list;
  for (std::string_view word : accepted) list += (list.empty() ? "" : ", ") + std::string(word);
  Throw(ErrorCode::kInvalidArgument, flag, ": found '", found, "', accepted: ", list);
}

template <class Number>
void CheckRange(std::string_view flag, const std::optional<Number>& value, Number low,
                Number high) {
  NAS_CHECK(!value || (*value >= low && *value <= high), flag, ": found ", *value,
            ", expected an integer from ", low, " to ", high);
}

void CheckDevice(const std::string& device) {
  constexpr std::string_view kCuda = "cuda:";
  const std::string_view number =
      device.starts_with(kCuda) ? std::string_view(device).substr(kCuda.size()) : "";
  const bool numbered = !number.empty() && number.size() <= 4 &&
                        number.find_first_not_of("0123456789") == std::string_view::npos;
  if (device == "cpu" || numbered) return;
  Throw(ErrorCode::kInvalidArgument, "--device: found '", device, "', expected cpu or cuda:N");
}

// Values of a table by key, each with the place for messages.
class ConfigReader {
 public:
  explicit ConfigReader(const TableReader& table) : table_(table) {}

  void Text(std::string_view key, std::string& value) const {
    if (const SourceValue* found = table_.Find(key)) value = ExpectString(*found, "a text");
  }
  void Flag(std::string_view key, bool& value) const { value = table_.Bool(key, value); }
  template <class Number, class Value>
  void Integer(std::string_view key, Number low, Number high, Value& value) const {
    if (const SourceValue* found = table_.Find(key)) {
      value = static_cast<Number>(ExpectInt(*found, low, high));
    }
  }
  void Real(std::string_view key, double low, double high, double& value) const {
    value = table_.Real(key, low, high, value);
  }
  // `parse` takes the key's place for its message and the text.
  template <class Value, class Parse>
  void Quantity(std::string_view key, std::string_view example, Value& value,
                const Parse& parse) const {
    const SourceValue* found = table_.Find(key);
    if (found == nullptr) return;
    value = parse(found->place, ExpectString(*found, fmt::format("a text such as '{}'", example)));
  }

 private:
  const TableReader& table_;
};

void ReadBytes(const TableReader& table, std::string_view key, std::int64_t& value) {
  const SourceValue* found = table.Find(key);
  if (found == nullptr) return;
  if (found->kind == SourceValue::Kind::kInteger) {
    value = ExpectInt(*found, 0, kMaxSteps);
  } else {
    value = ParseBytes(found->place, ExpectString(*found, "a size such as '2GiB'"));
  }
}

// A TOML basic string.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// Values of the recipe that flags name.
constexpr std::array<std::string_view, 5> kFlagKeys = {"warmup_epochs", "search_epochs",
                                                       "train_epochs", "batch", "arch_every"};

}  // namespace

void ValidateConfig(const RunConfig& config, std::span<const std::string_view> algorithms) {
  CheckWord("--algorithm", config.algorithm, algorithms);
  if (!config.objective.empty()) CheckWord("--objective", config.objective, kObjectives);
  if (!config.preset.empty()) CheckWord("--preset", config.preset, PresetNames());
  CheckWord("--init", config.init, kInits);
  CheckWord("--dtype", config.dtype, kDTypes);
  CheckDevice(config.device);
  CheckWidth("--width", config.width);
  NAS_CHECK(!config.data.empty() && !config.space.empty() && !config.latency_table.empty(),
            "--data, --space and --latency-table: found an empty text, expected a name or a path");
  CheckRange("--warmup-epochs", config.warmup_epochs, 0, kMaxEpochs);
  CheckRange("--epochs", config.epochs, 0, kMaxEpochs);
  CheckRange("--train-epochs", config.train_epochs, 0, kMaxEpochs);
  CheckRange("--arch-every", config.arch_every, 1, kMaxEpochs);
  CheckRange("--batch", config.batch, kBatch.low, kBatch.high);
  CheckRange("--max-steps", std::optional(config.max_steps), std::int64_t{0}, kMaxSteps);
  const bool has_table_file = config.latency_table != "measure" && config.latency_table != "macs";
  NAS_CHECK(has_table_file || (config.cost.empty() && config.latency_classes == 0),
            "--cost and --latency-classes: found --latency-table ", config.latency_table,
            ", expected the file of a table that they choose from");
  CheckRange("--latency-classes", std::optional(config.latency_classes), std::int64_t{0},
             kMaxClasses);
  NAS_CHECK(!config.dry_run || !config.profile_step,
            "--dry-run and --profile-step: found both, expected one of them");
  CheckRange("--threads", std::optional(config.threads), 0, kMaxThreads);
  NAS_CHECK(config.memory_budget >= 0, "--memory-budget: found ", config.memory_budget,
            " bytes, expected a positive size");
}

Recipe ResolveRecipe(const RunConfig& config, const Recipe& recipe) {
  Recipe resolved = config.preset.empty() ? recipe : PresetRecipe(config.preset, recipe);
  if (config.recipe) resolved = ReadRecipe(*config.recipe, resolved);
  if (config.warmup_epochs) resolved.warmup_epochs = *config.warmup_epochs;
  if (config.epochs) resolved.search_epochs = *config.epochs;
  if (config.train_epochs) resolved.train_epochs = *config.train_epochs;
  if (config.batch) resolved.batch = *config.batch;
  if (config.arch_every) resolved.arch_every = *config.arch_every;
  RequireRampWithinTraining(resolved);
  return resolved;
}

void ApplyConfigToml(std::string_view toml, std::string_view origin, RunConfig& config) {
  const SourceValue document = ParseToml(toml, origin);
  const TableReader table(document, "the configuration",
                          {"data",
                           "space",
                           "width",
                           "algorithm",
                           "objective",
                           "latency-table",
                           "reference-latency",
                           "cost",
                           "latency-classes",
                           "preset",
                           "warmup-epochs",
                           "epochs",
                           "train-epochs",
                           "batch",
                           "arch-every",
                           "max-steps",
                           "init",
                           "baselines",
                           "device",
                           "dtype",
                           "threads",
                           "kernels",
                           "seed",
                           "out",
                           "memory-budget",
                           "time-budget",
                           "dry-run",
                           "profile-step",
                           "json",
                           "force",
                           "recipe"});
  const ConfigReader read(table);
  read.Text("data", config.data);
  read.Text("space", config.space);
  read.Real("width", kMinWidth, kMaxWidth, config.width);
  read.Text("algorithm", config.algorithm);
  read.Text("objective", config.objective);
  read.Text("latency-table", config.latency_table);
  read.Text("cost", config.cost);
  read.Integer("latency-classes", std::int64_t{0}, kMaxClasses, config.latency_classes);
  std::optional<ReferenceCost> reference;
  read.Quantity("reference-latency", "20ms", reference, ParseReference);
  if (reference) {
    config.reference_latency_ms = reference->value;
    config.reference_is_time = reference->is_time;
  }
  read.Text("preset", config.preset);
  read.Integer("warmup-epochs", 0, kMaxEpochs, config.warmup_epochs);
  read.Integer("epochs", 0, kMaxEpochs, config.epochs);
  read.Integer("train-epochs", 0, kMaxEpochs, config.train_epochs);
  read.Integer("batch", kBatch.low, kBatch.high, config.batch);
  read.Integer("arch-every", 1, kMaxEpochs, config.arch_every);
  read.Integer("max-steps", std::int64_t{0}, kMaxSteps, config.max_steps);
  read.Text("init", config.init);
  read.Flag("baselines", config.baselines);
  read.Text("device", config.device);
  read.Text("dtype", config.dtype);
  read.Integer("threads", 0, kMaxThreads, config.threads);
  read.Text("kernels", config.kernels);
  read.Integer("seed", std::int64_t{0}, kMaxSeed, config.seed);
  read.Text("out", config.out);
  ReadBytes(table, "memory-budget", config.memory_budget);
  read.Quantity("time-budget", "20m", config.time_budget_seconds, ParseSeconds);
  read.Flag("dry-run", config.dry_run);
  read.Flag("profile-step", config.profile_step);
  read.Flag("json", config.json);
  read.Flag("force", config.force);
  if (const SourceValue* recipe = table.Find("recipe")) {
    ReadRecipe(*recipe);
    config.recipe = *recipe;
  }
}

std::string ConfigToToml(const RunConfig& config, const Recipe& recipe) {
  std::string text = "# Repeats the run: nasengine search --config FILE\n";
  const auto add = [&](std::string_view key, const std::string& value) {
    text += fmt::format("{} = {}\n", key, value);
  };
  add("data", Quoted(config.data));
  add("space", Quoted(config.space));
  add("width", RealToToml(config.width));
  add("algorithm", Quoted(config.algorithm));
  if (!config.objective.empty()) add("objective", Quoted(config.objective));
  add("latency-table", Quoted(config.latency_table));
  if (!config.cost.empty()) add("cost", Quoted(config.cost));
  if (config.latency_classes > 0) {
    add("latency-classes", std::to_string(config.latency_classes));
  }
  if (config.reference_latency_ms) {
    add("reference-latency", Quoted(fmt::format("{}{}", *config.reference_latency_ms,
                                                config.reference_is_time ? "ms" : "")));
  }
  add("warmup-epochs", std::to_string(recipe.warmup_epochs));
  add("epochs", std::to_string(recipe.search_epochs));
  add("train-epochs", std::to_string(recipe.train_epochs));
  add("batch", std::to_string(recipe.batch));
  add("arch-every", std::to_string(recipe.arch_every));
  add("max-steps", std::to_string(config.max_steps));
  add("init", Quoted(config.init));
  add("baselines", config.baselines ? "true" : "false");
  add("device", Quoted(config.device));
  add("dtype", Quoted(config.dtype));
  add("threads", std::to_string(config.threads));
  if (!config.kernels.empty()) add("kernels", Quoted(config.kernels));
  add("seed", std::to_string(config.seed));
  if (config.memory_budget > 0) add("memory-budget", std::to_string(config.memory_budget));
  return text + "\n[recipe]\n" + RecipeToToml(recipe, {kFlagKeys.begin(), kFlagKeys.end()});
}

}  // namespace nasengine
