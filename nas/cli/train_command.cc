// `nasengine train`: a network trained on all training images and tested once.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "autograd/state_dict.h"
#include "data/loader.h"
#include "data/split.h"
#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/cli/command.h"
#include "nas/cli/interrupt.h"
#include "nas/cli/memory_budget.h"
#include "nas/cli/metrics_log.h"
#include "nas/cli/network_run.h"
#include "nas/cli/progress.h"
#include "nas/cli/run_folder.h"
#include "nas/cli/step_recording.h"
#include "nas/config/machine.h"
#include "nas/config/run_config.h"
#include "nas/report/format.h"
#include "nas/space/architecture_file.h"
#include "nas/space/recipe_reader.h"
#include "nas/space/space_file.h"
#include "nas/supernet/memory_plan.h"
#include "nas/supernet/prepare.h"
#include "nas/train/network_training.h"
#include "nas/train/recipe_images.h"

namespace nasengine {
namespace {

constexpr char kDescription[] =
    "Trains a network on all training images, by the recipe of the run or the space it was found\n"
    "in, and tests it once.";
constexpr char kExamples[] =
    "  nasengine train --network runs/20250101-fashion-1/architecture.json --epochs 30\n"
    "  nasengine train --network mobilenet-v2@0.5 --data fashion-mnist --epochs 5\n"
    "  nasengine train --network net.json --weights old.safetensors --lr 0.01 --epochs 5\n"
    "  nasengine train --network net.json --data ~/idx-folder --out runs/retrained --json\n"
    "  nasengine train --network proxyless-cpu --data cifar10:DIR --dtype bf16\n"
    "  nasengine train --network mobilenet-v2@0.5 --profile-step\n"
    "      only a table of the operators of a training step, and their trace\n";

struct TrainConfig {
  NetworkRunConfig run;
  std::string dtype = "f32";
  std::optional<int> epochs;
  std::optional<double> lr;
  std::optional<std::int64_t> batch;
  std::string preset;
  std::optional<SourceValue> recipe;  // [recipe] of the configuration file
  std::int64_t max_steps = 0;
  std::int64_t memory_budget = 0;
  std::string out;
  bool force = false;
  bool profile_step = false;
};

void AddTrainFlags(Flags& flags, TrainConfig& config) {
  AddNetworkFlags(flags, config.run, "Weights to start from (default: random)");
  flags.Group("How long (defaults are those of the network's run, or of its space)");
  flags.Add("--epochs", config.epochs, "Epochs");
  flags.Add("--lr", config.lr, "Highest learning rate; falls to 0 along a cosine");
  flags.Add("--batch", config.batch, "Images per step");
  flags.Add("--preset", config.preset, "NAME", PresetFlagHelp());
  flags.AddConfigTable("recipe", [&config](const SourceValue& table) { config.recipe = table; });
  flags.Add("--max-steps", config.max_steps, "At most so many steps");
  flags.AddSwitch("--profile-step", config.profile_step,
                  "Only show where the time of a step goes, and write trace.json");
  flags.Group("Run");
  flags.Add("--dtype", config.dtype, "TYPE",
            "Of activations and their gradients: f32 (default) or bf16");
  flags.AddParsed("--memory-budget", "SIZE", "Such as 2GiB (default: 85 % of what is available)",
                  [&config](const std::string& flag, const std::string& text) {
                    config.memory_budget = ParseBytes(flag, text);
                  });
  flags.Add("--out", config.out, "DIR", "Run folder (default runs/DATE-NETWORK-train-N)");
  flags.AddSwitch("--force", config.force, "Write over the run in an existing folder");
}

// The file of the run that left the network, or nothing where the network lies alone or is a
// built-in one.
std::filesystem::path RecipeFileBeside(const std::string& network) {
  const std::filesystem::path file =
      std::filesystem::path(network).parent_path() / std::string(kRecipeFile);
  const bool exists = std::filesystem::exists(network) && std::filesystem::exists(file);
  return exists ? file : std::filesystem::path();
}

struct ChosenRecipe {
  Recipe recipe;
  std::string source;  // for people
};

// The recipe of the built-in space that the network is from, otherwise the defaults, with what the
// network itself says; over it the recipe of its run, a preset, the configuration file's [recipe],
// and flags.
ChosenRecipe RecipeFor(const NetworkDesc& network, const TrainConfig& config) {
  const bool has_space = IsBuiltinSpace(network.space);
  Recipe recipe = has_space ? LoadSpace(network.space).recipe : Recipe{};
  std::string source = has_space ? StrCat("recipe: of the space ", network.space)
                                 : StrCat("recipe: the defaults, since ", network.name,
                                          " comes from no run and no built-in space");
  recipe.dropout = network.layers.back().dropout;
  recipe.mean = network.mean;
  recipe.std = network.std;
  if (const auto file = RecipeFileBeside(config.run.network); !file.empty()) {
    const SourceValue document = ParseToml(ReadFile(file.string()), file.string());
    const TableReader table(document, "the recipe of a run", {"recipe"});
    recipe = ReadRecipe(table.Require("recipe", "a table"), recipe);
    source = StrCat("recipe: ", file.string());
  } else if (!has_space && config.preset.empty() && !config.recipe) {
    source += "; --preset, or [recipe] in a --config file, says otherwise";
  }
  if (!config.preset.empty()) {
    recipe = PresetRecipe(config.preset, recipe);
    source += StrCat(", under the preset ", config.preset);
  }
  if (config.recipe) {
    recipe = ReadRecipe(*config.recipe, recipe);
    source += ", under [recipe] of the configuration file";
  }
  if (config.epochs) recipe.train_epochs = *config.epochs;
  if (config.lr) recipe.train_lr = *config.lr;
  recipe.batch = config.batch.value_or(TrainBatch(recipe));
  recipe.train_batch = recipe.batch;
  NAS_CHECK(recipe.train_epochs >= 1, "--epochs: found ", recipe.train_epochs,
            ", expected 1 or more");
  NAS_CHECK(recipe.train_lr > 0, "--lr: found ", recipe.train_lr, ", expected a number above 0");
  RequireRampWithinTraining(recipe);
  NAS_CHECK(config.max_steps >= 0, "--max-steps: found ", config.max_steps, ", expected 0 or more");
  return {.recipe = std::move(recipe), .source = std::move(source)};
}

// How a training step fits, of which `progress` tells. Throws kOutOfMemory where nothing helps.
ComputeOptions FitIntoMemory(Session& session, const NetworkDesc& network,
                             const TrainConfig& config, const Recipe& recipe, Progress& progress) {
  const MemoryStats stats = session.allocator().stats();
  const std::int64_t budget =
      config.memory_budget > 0 ? config.memory_budget : session.memory_budget();
  const auto peak_of = [&](const ComputeOptions& compute) {
    return PlanTraining(
               network, session.registry(),
               {.batch = recipe.batch,
                .dtype = compute.dtype,
                .recompute = compute.recompute,
                .micro_batch = compute.micro_batch,
                .threads = session.context().threads(),
                .policy = session.context().policy(),
                .device = &session.backend(),
                .data_bytes =
                    stats.active_by_category[static_cast<std::size_t>(MemoryCategory::kData)]})
        .peak;
  };
  const ComputeOptions start{.dtype = ParseDType(config.dtype), .micro_batch = recipe.micro_batch};
  const std::vector<SpaceNode> nodes(network.layers.begin(), network.layers.end());
  const MemoryFit fit = FitIntoBudget(nodes, recipe.batch, start, budget, peak_of);
  if (fit.peak_bytes <= budget) {
    for (const std::string& note : FitNotes(nodes, {recipe.batch}, start, fit)) {
      progress.Announce(note);
    }
    return fit.compute;
  }
  Throw(ErrorCode::kOutOfMemory, "memory: training ", network.name, " at batch ", recipe.batch,
        " needs ", FormatBytes(fit.peak_bytes), ", the budget is ", FormatBytes(budget),
        "; use a smaller --batch or raise --memory-budget");
}

// Files and displays of one training.
class RecordedTraining {
 public:
  explicit RecordedTraining(const TrainConfig& config);
  int Run();

 private:
  LoopControl Control();
  int TellStopped();
  void Finish(const Evaluation& evaluation, double seconds);

  const TrainConfig& config_;
  Progress progress_;
  InterruptGuard interrupt_;
  Session session_;
  NetworkTask task_;
  const NetworkDesc& desc_ = task_.network;
  ChosenRecipe chosen_;
  const Recipe& recipe_ = chosen_.recipe;
  std::optional<RunFolder> folder_;
  std::optional<MetricsLog> metrics_;
  StepRecord last_;
};

RecordedTraining::RecordedTraining(const TrainConfig& config)
    : config_(config),
      progress_(StderrProgress()),
      session_(SessionOf(config.run)),
      task_(OpenNetworkTask(config.run, session_.host_allocator())),
      chosen_(RecipeFor(desc_, config)) {
  task_.network.layers.back().dropout = recipe_.dropout;
  task_.network.mean = recipe_.mean;
  task_.network.std = recipe_.std;
  NormalizeAsTheNetworkSays(task_);
}

LoopControl RecordedTraining::Control() {
  LoopControl control;
  control.stop = interrupt_.flag();
  control.observe = [this](const StepRecord& record) {
    last_ = record;
    metrics_->Add(record);
    progress_.Observe(record);
  };
  return control;
}

int RecordedTraining::Run() {
  Context& context = session_.context();
  const DataSource& data = task_.data;
  const std::int64_t images = data.train->size();
  NAS_CHECK(recipe_.batch >= 2 && recipe_.batch <= images, "--batch: found ", recipe_.batch,
            ", expected 2 to ", images, ", the training images");
  Loader loader(*data.train, AllIndices(*data.train),
                LoaderConfig{.batch_size = recipe_.batch,
                             .order = TrainingOrder(recipe_),
                             .augment = TrainAugment(recipe_, data.stats),
                             .seed = config_.run.seed},
                session_.batch_memory());
  const ComputeOptions compute = FitIntoMemory(session_, desc_, config_, recipe_, progress_);
  chosen_.recipe.micro_batch = compute.micro_batch;
  Network network(context, desc_, recipe_.weight_init, compute);
  network.Initialize(config_.run.seed);
  if (!config_.run.weights.empty()) {
    LoadStateDict(context, config_.run.weights, network.state_dict());
    network.RefreshWorkingCopies();
  }
  PrepareTraining(context, session_.allocator(), network,
                  TrainingSizes(recipe_, recipe_.batch, images));

  folder_.emplace(
      RunFolderOptions{.out = config_.out,
                       .label = desc_.name + (config_.profile_step ? "-profile" : "-train"),
                       .force = config_.force});
  progress_.Announce("run folder: " + folder_->path());
  if (config_.profile_step) {
    TellStepProfile(RecordTrainingStep(context, network, recipe_, loader.Next(), config_.run.seed),
                    *folder_, config_.run.json);
    return kExitDone;
  }
  progress_.Announce(chosen_.source);
  if (const std::string note = DTypeNote(session_.backend(), network.dtype()); !note.empty()) {
    progress_.Announce(note);
  }
  folder_->RemoveOldResults();
  metrics_.emplace(folder_->File("metrics.jsonl"));
  folder_->Write("architecture.json", ArchitectureToJson(desc_));
  folder_->Write(kRecipeFile, RecipeDocument(recipe_));
  const double seconds = TrainNetwork(context, session_.allocator(), network, loader, recipe_,
                                      {.epochs = recipe_.train_epochs,
                                       .lr = recipe_.train_lr,
                                       .seed = config_.run.seed,
                                       .max_steps = config_.max_steps},
                                      Control());
  progress_.Finish();
  SaveStateDict(context, folder_->File("weights.safetensors"), network.state_dict(),
                {{"network", desc_.name},
                 {"data", config_.run.data},
                 {"seed", std::to_string(config_.run.seed)}});
  metrics_->Flush();
  if (interrupt_.interrupted()) return TellStopped();
  Finish(EvaluateOnTest(session_, network, data), seconds);
  return kExitDone;
}

int RecordedTraining::TellStopped() {
  progress_.Announce(fmt::format("stopped after step {} of {}; {} holds {}", last_.step,
                                 last_.steps, folder_->path(), folder_->Listing()));
  return kExitFailed;
}

void RecordedTraining::Finish(const Evaluation& evaluation, double seconds) {
  StepRecord record = last_;
  record.phase = Phase::kEval;
  record.loss = evaluation.loss;
  record.top1 = evaluation.top1;
  metrics_->Add(record);
  metrics_->Flush();
  auto json = nlohmann::ordered_json::parse(EvaluationToJson(evaluation, desc_));
  json["network"] = desc_.name;
  json["data"] = config_.run.data;
  json["seed"] = config_.run.seed;
  json["epochs"] = recipe_.train_epochs;
  json["steps"] = last_.step;
  json["batch"] = recipe_.batch;
  json["lr"] = recipe_.train_lr;
  json["dtype"] = config_.dtype;
  json["threads"] = session_.context().threads();
  json["seconds"] = seconds;
  const std::string document = json.dump(2) + "\n";
  folder_->Write("summary.json", document);
  if (config_.run.json) {
    std::fputs(document.c_str(), stdout);
    return;
  }
  fmt::print(
      "{}  training took   {}\n\nNext\n\n  nasengine eval --network {}/architecture.json "
      "--weights {}/weights.safetensors{}\n",
      EvaluationToText(evaluation, desc_), FormatSeconds(seconds), folder_->path(), folder_->path(),
      config_.run.data == "fashion-mnist" ? "" : " --data " + config_.run.data);
}

}  // namespace

int TrainCommand(Arguments arguments) {
  TrainConfig config;
  Flags flags("train", kDescription, kExamples);
  AddTrainFlags(flags, config);
  if (const auto code = flags.Parse(arguments)) return *code;
  if (config.run.network.empty()) return WrongUsage("train", "--network NAME|FILE is missing");
  ParseDType(config.dtype);
  return RecordedTraining(config).Run();
}

}  // namespace nasengine
