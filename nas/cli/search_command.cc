// `nasengine search`: from flags to a run folder.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "autograd/state_dict.h"
#include "data/data_source.h"
#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/cli/command.h"
#include "nas/cli/flags.h"
#include "nas/cli/interrupt.h"
#include "nas/cli/metrics_log.h"
#include "nas/cli/network_run.h"
#include "nas/cli/progress.h"
#include "nas/cli/run_folder.h"
#include "nas/cli/search_run.h"
#include "nas/cli/session.h"
#include "nas/cli/step_recording.h"
#include "nas/config/machine.h"
#include "nas/report/format.h"
#include "nas/report/search_screen.h"
#include "nas/report/summary_json.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/architecture_file.h"
#include "nas/space/counts.h"
#include "nas/space/recipe_reader.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

constexpr char kDescription[] =
    "Searches a network for your data and this machine: warm-up, weight and architecture steps in\n"
    "turn, the derived network trained, tested once and measured.";
constexpr char kExamples[] =
    "  nasengine search\n"
    "      Fashion-MNIST, a first real search in minutes\n"
    "  nasengine search --time-budget 20m --baselines\n"
    "  nasengine search --data cifar10:~/cifar-10-batches-bin --space cifar --width 0.5\n"
    "  nasengine search --data ~/idx-folder --latency-table board.json --out runs/board\n"
    "  nasengine search --dry-run\n"
    "      only the estimate of time and memory\n"
    "  nasengine search --profile-step --out runs/profile\n"
    "      only a table of the operators of a weight and an architecture step, and their trace\n"
    "  nasengine search --config runs/20250101-fashion-1/run.toml\n"
    "      the same run again\n";

void AddTaskFlags(Flags& flags, RunConfig& config) {
  flags.Group("What");
  flags.Add("--data", config.data, "DATA",
            "fashion-mnist (default), cifar10:DIR, synthetic:HxWxC:K, folder of IDX files");
  flags.Add("--space", config.space, "NAME|FILE",
            "fashion (default), cifar, proxyless-imagenet or a TOML file");
  flags.Add("--width", config.width, "Multiplier of the space's channels (default 1)");
  flags.Add("--algorithm", config.algorithm, "NAME", AlgorithmList());
  flags.Add("--objective", config.objective, "NAME",
            "add-linear, mul-log or none (default: the algorithm's)");
  flags.Add("--latency-table", config.latency_table, "FILE|macs|measure",
            "Layer latencies: JSON, YAML or CSV; MACs instead (default: measured on this machine)");
  flags.Add("--cost", config.cost, "NAME", "Another cost of the table in place of latency");
  flags.Add("--latency-classes", config.latency_classes,
            "Classes that the table's head was measured with (default: those of the data)");
  flags.AddParsed("--reference-latency", "TIME",
                  "R of the objective, such as 20ms, or in the unit of the cost (default: from the "
                  "table)",
                  [&config](const std::string& flag, const std::string& text) {
                    const ReferenceCost reference = ParseReference(flag, text);
                    config.reference_latency_ms = reference.value;
                    config.reference_is_time = reference.is_time;
                  });
  flags.Add("--init", config.init, "FROM", "First weights to train: inherited (default) or random");
  flags.AddSwitch("--baselines", config.baselines, "Also train other networks of the same latency");
}

void AddScheduleFlags(Flags& flags, RunConfig& config) {
  flags.Group("How long (defaults are the space's)");
  flags.Add("--preset", config.preset, "NAME", PresetFlagHelp());
  flags.Add("--warmup-epochs", config.warmup_epochs, "Epochs of weights alone");
  flags.Add("--epochs", config.epochs, "Epochs of the search");
  flags.Add("--train-epochs", config.train_epochs, "Epochs of the derived network");
  flags.Add("--batch", config.batch, "Images per step");
  flags.Add("--arch-every", config.arch_every,
            "Weight steps per architecture step, where the algorithm counts by them");
  flags.Add("--max-steps", config.max_steps,
            "At most so many steps in each phase: a trial in small");
  flags.AddParsed("--time-budget", "TIME", "Fit the epochs to a time such as 20m or 2h",
                  [&config](const std::string& flag, const std::string& text) {
                    config.time_budget_seconds = ParseSeconds(flag, text);
                  });
  flags.AddSwitch("--dry-run", config.dry_run, "Stop after the estimate of time and memory");
  flags.AddSwitch("--profile-step", config.profile_step,
                  "Only show where the time of a step goes, and write trace.json");
}

void AddMachineFlags(Flags& flags, RunConfig& config) {
  flags.Group("Where");
  flags.Add("--device", config.device, "DEVICE", "cpu (default) or cuda:N");
  flags.Add("--dtype", config.dtype, "TYPE",
            "Of activations and their gradients in training: f32 (default) or bf16");
  flags.Add("--threads", config.threads, "Default: as many as this process may use");
  flags.Add("--kernels", config.kernels, "ORDER", "Such as vendor,ours,reference, or check");
  flags.AddParsed("--memory-budget", "SIZE", "Such as 2GiB (default: 85 % of what is available)",
                  [&config](const std::string& flag, const std::string& text) {
                    config.memory_budget = ParseBytes(flag, text);
                  });
}

void AddRunFlags(Flags& flags, RunConfig& config, std::string& config_path) {
  flags.Group("Run");
  flags.Add("--seed", config.seed, "Default 1; same seed, table and threads: same bits");
  flags.Add("--out", config.out, "DIR", "Run folder (default runs/DATE-SPACE-N)");
  flags.AddSwitch("--force", config.force, "Write over the run in an existing folder");
  flags.AddSwitch("--json", config.json, "Print summary.json on stdout");
  flags.Add("--config", config_path, "FILE.toml", "Read flags from a TOML file; flags win");
}

// An exit code, or the configuration.
std::optional<int> ParseSearch(Arguments arguments, RunConfig& config) {
  const auto parse = [&](RunConfig& into, std::string& config_path) {
    Flags flags("search", kDescription, kExamples);
    AddTaskFlags(flags, into);
    AddScheduleFlags(flags, into);
    AddMachineFlags(flags, into);
    AddRunFlags(flags, into, config_path);
    return flags.Parse(arguments);
  };
  RunConfig flags_alone;
  std::string config_path;
  if (const auto code = parse(flags_alone, config_path)) return code;
  if (!config_path.empty()) ApplyConfigToml(ReadFile(config_path), config_path, config);
  return parse(config, config_path);
}

std::string AbsoluteIfThere(const std::string& name_or_path) {
  std::error_code error;
  if (!std::filesystem::exists(name_or_path, error)) return name_or_path;
  const std::filesystem::path absolute = std::filesystem::absolute(name_or_path, error);
  return error ? name_or_path : absolute.lexically_normal().string();
}

// The configuration with everything that was chosen for it, so that it repeats the run anywhere.
RunConfig Resolved(const RunConfig& config, const SearchEstimate& estimate,
                   const std::string& table_path) {
  RunConfig resolved = config;
  resolved.data = AbsoluteDataSource(config.data);
  if (!IsBuiltinSpace(config.space)) resolved.space = AbsoluteIfThere(config.space);
  resolved.latency_table = AbsoluteIfThere(table_path);
  resolved.objective = estimate.objective;
  resolved.reference_latency_ms = estimate.reference_latency_ms;
  resolved.cost = estimate.cost.is_latency() ? "" : estimate.cost.name;
  resolved.reference_is_time = estimate.cost.is_latency();
  if (resolved.threads == 0) resolved.threads = AvailableThreads();
  return resolved;
}

std::string EstimateText(const SearchEstimate& estimate) {
  const PhaseSeconds& seconds = estimate.seconds;
  const Recipe& recipe = estimate.recipe;
  const std::string scored =
      estimate.scored_paths > 0 ? fmt::format(", {} paths scored", estimate.scored_paths) : "";
  const std::string evaluation = estimate.evaluation_bytes > estimate.peak_bytes
                                     ? fmt::format(", {} while held-out images are tried",
                                                   FormatBytes(estimate.evaluation_bytes))
                                     : "";
  const std::string all_paths =
      estimate.all_paths_bytes > 0
          ? fmt::format("; all paths would take {}", FormatBytes(estimate.all_paths_bytes))
          : "";
  return fmt::format(
      "estimate: warm-up {}, search {}, training {}; {} + {} + {} epochs, {} weight and {} "
      "architecture steps{}\n"
      "memory:   {} planned of {}{}{}\n"
      "{:<9} reference {}",
      FormatSeconds(seconds.warmup), FormatSeconds(seconds.search), FormatSeconds(seconds.train),
      recipe.warmup_epochs, recipe.search_epochs, recipe.train_epochs,
      FormatCount(estimate.weight_steps), FormatCount(estimate.architecture_steps), scored,
      FormatBytes(estimate.peak_bytes), FormatBytes(estimate.budget_bytes), evaluation, all_paths,
      estimate.cost.name + ":", FormatCost(estimate.reference_latency_ms, estimate.cost));
}

std::string EstimateJson(const SearchEstimate& estimate) {
  const PhaseSeconds& seconds = estimate.seconds;
  const Recipe& recipe = estimate.recipe;
  const nlohmann::ordered_json json{
      {"dry_run", true},
      {"seconds",
       {{"profile", seconds.profile},
        {"warmup", seconds.warmup},
        {"search", seconds.search},
        {"train", seconds.train},
        {"total", seconds.total}}},
      {"peak_bytes", estimate.peak_bytes},
      {"evaluation_peak_bytes", estimate.evaluation_bytes},
      {"all_paths_peak_bytes", estimate.all_paths_bytes},
      {"memory_budget", estimate.budget_bytes},
      {"steps", estimate.weight_steps},
      {"architecture_steps", estimate.architecture_steps},
      {"scored_paths", estimate.scored_paths},
      {"objective", estimate.objective},
      {estimate.cost.is_latency() ? "reference_latency_ms" : "reference_cost",
       estimate.reference_latency_ms},
      {"batch", recipe.batch},
      {"warmup_epochs", recipe.warmup_epochs},
      {"epochs", recipe.search_epochs},
      {"train_epochs", recipe.train_epochs}};
  return json.dump(2) + "\n";
}

int DryRun(const RunConfig& config, SearchHooks hooks) {
  SearchEstimate estimate;
  hooks.estimated = [&](const SearchEstimate& result) { estimate = result; };
  RunSearch(config, hooks);
  std::fputs(config.json ? EstimateJson(estimate).c_str() : (EstimateText(estimate) + "\n").c_str(),
             stdout);
  return kExitDone;
}

std::string LabelOf(const std::string& space) {
  return IsBuiltinSpace(space) ? space : std::filesystem::path(space).stem().string();
}

int ProfileStep(const RunConfig& config, SearchHooks hooks) {
  const RunFolder folder(
      {.out = config.out, .label = LabelOf(config.space) + "-profile", .force = config.force});
  hooks.recorded = [&](const std::vector<RecordedStep>& steps) {
    TellStepProfile(steps, folder, config.json);
  };
  RunSearch(config, hooks);
  return kExitDone;
}

std::string ValidationText(const StepRecord& record, const NetworkDesc& network) {
  return fmt::format(
      "epoch {}: the likeliest path has {:.2f} % of the held-out images right, loss {:.3f}, {} "
      "MACs",
      record.epoch + 1, record.top1, record.loss, FormatCount(CountNetwork(network).macs));
}

// A search whose results go into its folder as they come to be.
class RecordedSearch {
 public:
  RecordedSearch(const RunConfig& config, Progress& progress, const InterruptGuard& interrupt)
      : config_(config),
        progress_(progress),
        interrupt_(interrupt),
        folder_({.out = config.out, .label = LabelOf(config.space), .force = config.force}),
        metrics_(folder_.File("metrics.jsonl")) {}

  int Run() {
    progress_.Announce("run folder: " + folder_.path());
    const SearchSummary summary = RunSearch(config_, Hooks());
    progress_.Finish();
    // On the screen first: a full disk must not hide what was found.
    std::fputs(config_.json ? SummaryToJson(summary).c_str()
                            : SearchScreen(summary, folder_.path()).c_str(),
               stdout);
    folder_.Write("summary.json", SummaryToJson(summary));
    metrics_.Flush();
    if (!summary.stopped) return kExitDone;
    progress_.Announce(fmt::format("stopped; {} holds {}", folder_.path(), folder_.Listing()));
    return kExitFailed;
  }

 private:
  SearchHooks Hooks() {
    SearchHooks hooks;
    hooks.control.stop = interrupt_.flag();
    hooks.control.observe = [this](const StepRecord& record) {
      metrics_.Add(record);
      progress_.Observe(record);
    };
    hooks.announce = [this](const std::string& message) { progress_.Announce(message); };
    hooks.table_ready = [this](const LatencyTable& table) {
      table_ = LatencyTableToJson(table);
      metrics_.SetCost(table.cost);
      progress_.SetCost(table.cost);
    };
    hooks.estimated = [this](const SearchEstimate& estimate) { Begin(estimate); };
    hooks.searched = [this](const SearchSpace& space, const AlphaRows& alphas) {
      folder_.Write("alphas.json", AlphasToJson(space, alphas));
    };
    hooks.validated = [this](const StepRecord& record, const NetworkDesc& network) {
      metrics_.Add(record);
      progress_.Announce(ValidationText(record, network));
    };
    hooks.derived = [this](const NetworkDesc& network) {
      folder_.Write("architecture.json", ArchitectureToJson(network));
    };
    hooks.trained = [this](Context& context, const Network& network) {
      SaveStateDict(context, folder_.File("weights.safetensors"), network.state_dict(),
                    {{"network", network.desc().name},
                     {"data", config_.data},
                     {"seed", std::to_string(config_.seed)}});
    };
    return hooks;
  }

  // Everything that can refuse the run has had its say: only now do old results go.
  void Begin(const SearchEstimate& estimate) {
    folder_.RemoveOldResults();
    folder_.Write("latency.json", table_);
    const RunConfig resolved = Resolved(config_, estimate, folder_.File("latency.json"));
    folder_.Write("run.toml", ConfigToToml(resolved, estimate.recipe));
    folder_.Write(kRecipeFile, RecipeDocument(estimate.recipe));
    progress_.Announce(EstimateText(estimate));
    if (interrupt_.interrupted()) {
      Throw(ErrorCode::kInvalidArgument, "stopped before the search began; ", folder_.path(),
            " holds ", folder_.Listing());
    }
  }

  const RunConfig& config_;
  Progress& progress_;
  const InterruptGuard& interrupt_;
  RunFolder folder_;
  MetricsLog metrics_;
  std::string table_;  // latency.json, until the run begins
};

}  // namespace

int SearchCommand(Arguments arguments) {
  RunConfig config;
  if (const auto code = ParseSearch(arguments, config)) return *code;
  ValidateConfig(config, AlgorithmNames());
  RequireDevice(config.device);
  Progress progress(StderrProgress());
  if (config.dry_run || config.profile_step) {
    SearchHooks hooks;
    hooks.announce = [&](const std::string& message) { progress.Announce(message); };
    return config.dry_run ? DryRun(config, std::move(hooks))
                          : ProfileStep(config, std::move(hooks));
  }
  const InterruptGuard interrupt;
  return RecordedSearch(config, progress, interrupt).Run();
}

}  // namespace nasengine
