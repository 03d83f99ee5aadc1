// `nasengine info`: what a space or a network consists of, and the memory that a step takes.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "kernels/core/error.h"
#include "nas/cli/command.h"
#include "nas/cli/flags.h"
#include "nas/cli/network_run.h"
#include "nas/cli/served_kernels.h"
#include "nas/cli/session.h"
#include "nas/config/machine.h"
#include "nas/config/run_config.h"
#include "nas/report/format.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/info.h"
#include "nas/space/network_zoo.h"
#include "nas/space/recipe_fields.h"
#include "nas/space/space_file.h"
#include "nas/supernet/memory_plan.h"

namespace nasengine {
namespace {

constexpr char kDescription[] =
    "Layers, parameters and multiply-accumulates of a search space or a network. With --batch "
    "also\n"
    "the memory of a step: of the search of a space, of the training of a network. With --policy\n"
    "the kernels that will run.";
constexpr char kExamples[] =
    "  nasengine info --space fashion\n"
    "  nasengine info --space proxyless-imagenet --width 1.4 --batch 16 --json\n"
    "  nasengine info --space fashion --batch 128 --policy\n"
    "  nasengine info --network mobilenet-v2@0.75\n"
    "  nasengine info --network runs/20250101-fashion-1/architecture.json\n";

struct InfoConfig {
  std::string space;
  std::string network;
  std::optional<std::int64_t> batch;
  bool policy = false;
  RunConfig run;  // width, algorithm, dtype, device, threads, kernels, json
};

void AddInfoFlags(Flags& flags, InfoConfig& config) {
  flags.Group("What");
  flags.Add("--space", config.space, "NAME|FILE",
            "fashion, cifar, proxyless-imagenet or a TOML file");
  flags.Add("--width", config.run.width, "Multiplier of the space's channels (default 1)");
  flags.Add("--network", config.network, "NAME|FILE", NetworkFlagHelp());
  flags.Group("Memory plan and kernels");
  flags.Add("--batch", config.batch, "Images per step; adds the plan");
  flags.Add("--algorithm", config.run.algorithm, "NAME", AlgorithmList());
  flags.Add("--dtype", config.run.dtype, "TYPE", "f32 (default) or bf16");
  flags.Add("--device", config.run.device, "DEVICE", "cpu (default) or cuda:N");
  flags.Add("--threads", config.run.threads, "Default: as many as this process may use");
  flags.Add("--kernels", config.run.kernels, "ORDER", "Such as vendor,ours,reference");
  flags.AddSwitch("--policy", config.policy,
                  "With --batch: which implementation serves what on this machine, and why");
  flags.Group("Run");
  flags.AddSwitch("--json", config.run.json, "Print one JSON document on stdout");
  flags.AddConfigFile();
}

PlanOptions OptionsFor(Session& session, std::int64_t batch, DType dtype) {
  return {.batch = batch,
          .dtype = dtype,
          .threads = session.context().threads(),
          .policy = session.context().policy(),
          .device = &session.backend()};
}

// Bytes of the batches that `loaders` loaders keep ready.
std::int64_t LoaderBytes(const Size3& image, std::int64_t batch, int loaders) {
  constexpr std::int64_t kBatchesReady = 3;
  constexpr std::int64_t kBytesPerValue = 4;
  return loaders * kBatchesReady * batch * (image.h * image.w * image.c + 1) * kBytesPerValue;
}

std::string PlanText(const MemoryPlan& plan, std::int64_t batch) {
  std::string text = fmt::format("\nMemory of a step at batch {}, without the data set\n\n", batch);
  const auto add = [&](const char* what, std::int64_t bytes) {
    text += fmt::format("  {:<12}{:>12}\n", what, FormatBytes(bytes));
  };
  add("weights", plan.weights);
  add("gradients", plan.gradients);
  add("optimizer", plan.optimizer);
  add("activations", plan.activations);
  add("workspace", plan.workspace);
  add("data", plan.data);
  add("peak", plan.peak);
  return text;
}

// What a description tells about a step at a batch.
struct StepInfo {
  MemoryPlan plan;
  std::optional<ServedKernels> kernels{};
};

std::string WithStep(const std::string& json_text, const StepInfo& info) {
  auto json = nlohmann::ordered_json::parse(json_text);
  const MemoryPlan& plan = info.plan;
  json["memory_plan"] = {{"weights", plan.weights},
                         {"gradients", plan.gradients},
                         {"optimizer", plan.optimizer},
                         {"activations", plan.activations},
                         {"workspace", plan.workspace},
                         {"data", plan.data},
                         {"peak", plan.peak}};
  if (info.kernels) json["kernels"] = ServedKernelsJson(*info.kernels);
  return json.dump(2) + "\n";
}

// `description` is a SearchSpace or a NetworkDesc, `info_of` what is known of its step on a
// session.
template <class Description, class InfoOf>
void Print(const InfoConfig& config, const Description& description, const InfoOf& info_of) {
  std::string text = config.run.json ? InfoJson(description) : InfoText(description);
  if (config.batch) {
    NAS_CHECK(*config.batch >= 2 && *config.batch <= kBatch.high, "--batch: found ", *config.batch,
              ", expected an integer from 2 to ", kBatch.high);
    Session session({.device = config.run.device,
                     .threads = config.run.threads > 0 ? config.run.threads : AvailableThreads(),
                     .kernels = config.run.kernels});
    const StepInfo info =
        info_of(session, OptionsFor(session, *config.batch, ParseDType(config.run.dtype)));
    if (config.run.json) {
      text = WithStep(text, info);
    } else {
      text += PlanText(info.plan, *config.batch);
      if (info.kernels) text += ServedKernelsText(*info.kernels);
    }
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace

int InfoCommand(Arguments arguments) {
  InfoConfig config;
  Flags flags("info", kDescription, kExamples);
  AddInfoFlags(flags, config);
  if (const auto code = flags.Parse(arguments)) return *code;
  if (config.space.empty() == config.network.empty()) {
    return WrongUsage("info", "give one of --space NAME|FILE and --network NAME|FILE");
  }
  if (!config.network.empty() && config.run.width != 1.0) {
    return WrongUsage("info", "--width goes with --space; a network takes it as NAME@WIDTH");
  }
  if (config.policy && !config.batch) {
    return WrongUsage("info", "--policy goes with --batch: the kernels are those of a step");
  }
  ValidateConfig(config.run, AlgorithmNames());
  if (!config.space.empty()) {
    const SearchSpace space = LoadSpace(config.space, config.run.width);
    Print(config, space, [&](Session& session, PlanOptions options) {
      // A search has a loader for the weights and one for the architecture.
      options.data_bytes = LoaderBytes(space.input, options.batch, 2);
      options.micro_batch = space.recipe.micro_batch;
      Recipe recipe = space.recipe;
      recipe.batch = options.batch;
      const std::vector<SizedStep> steps = SearchSteps(FindAlgorithm(config.run.algorithm), recipe);
      StepInfo info{.plan = PlanSearch(space, session.registry(), steps, options)};
      if (config.policy) info.kernels = KernelsOfSearch(session, space, steps, options.dtype);
      return info;
    });
    return kExitDone;
  }
  const NetworkDesc network = LoadNetwork(config.network);
  Print(config, network, [&](Session& session, PlanOptions options) {
    options.data_bytes = LoaderBytes(network.input, options.batch, 1);
    StepInfo info{.plan = PlanTraining(network, session.registry(), options)};
    if (config.policy)
      info.kernels = KernelsOfTraining(session, network, options.batch, options.dtype);
    return info;
  });
  return kExitDone;
}

}  // namespace nasengine
