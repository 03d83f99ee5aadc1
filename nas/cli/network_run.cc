// SPDX-License-Identifier: MIT
#include "nas/cli/network_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/loader.h"
#include "data/split.h"
#include "kernels/core/error.h"
#include "nas/config/machine.h"
#include "nas/report/format.h"
#include "nas/space/counts.h"
#include "nas/space/network_zoo.h"
#include "nas/space/recipe_reader.h"
#include "nas/space/search_space.h"
#include "nas/train/recipe_images.h"

namespace nasengine {

void AddNetworkFlags(Flags& flags, NetworkRunConfig& config, const std::string& weights_help) {
  flags.Group("What");
  flags.Add("--network", config.network, "NAME|FILE", NetworkFlagHelp() + " (required)");
  flags.Add("--weights", config.weights, "FILE", weights_help);
  flags.Add("--data", config.data, "DATA",
            "fashion-mnist (default), cifar10:DIR, synthetic:HxWxC:K, folder of IDX files");
  flags.Group("Where");
  flags.Add("--device", config.device, "DEVICE", "cpu (default) or cuda:N");
  flags.Add("--threads", config.threads, "Default: as many as this process may use");
  flags.Add("--kernels", config.kernels, "ORDER", "Such as vendor,ours,reference, or check");
  flags.Group("Run");
  flags.Add("--seed", config.seed, "Default 1");
  flags.AddSwitch("--json", config.json, "Print one JSON document on stdout");
  flags.AddConfigFile();
}

std::string NetworkFlagHelp() {
  return fmt::format("architecture.json of a search, or {}",
                     fmt::join(BuiltinNetworkNames(), ", "));
}

std::string PresetFlagHelp() {
  return fmt::format("A published recipe over the space's: {}", fmt::join(PresetNames(), ", "));
}

SessionOptions SessionOf(const NetworkRunConfig& config) {
  NAS_CHECK(config.threads >= 0, "--threads: found ", config.threads, ", expected 0 or more");
  return {.device = config.device,
          .threads = config.threads > 0 ? config.threads : AvailableThreads(),
          .kernels = config.kernels};
}

NetworkTask OpenNetworkTask(const NetworkRunConfig& config, Allocator& allocator) {
  NetworkDesc network = LoadNetwork(config.network);
  DataSource data = OpenDataSource(config.data, allocator);
  const ImageShape image = data.train->image_shape();
  const Size3 size{image.h, image.w, image.c};
  if (IsBuiltinNetwork(config.network)) network = WithData(network, size, data.train->classes());
  NAS_CHECK(size == network.input && data.train->classes() == network.classes, config.network,
            ": takes images ", ToString(network.input), " of ", network.classes, " classes, ",
            config.data, " has ", ToString(size), " of ", data.train->classes());
  return {.network = std::move(network), .data = std::move(data)};
}

void NormalizeAsTheNetworkSays(NetworkTask& task) {
  task.data.stats = NormalizationOf(task.network.mean, task.network.std, task.data.stats);
}

Evaluation EvaluateOnTest(Session& session, const Network& network, const DataSource& data) {
  EvalBatches batches(*data.test, AllIndices(*data.test), kEvaluationBatch, data.stats,
                      session.batch_memory());
  return Evaluate(session.context(), network, batches);
}

std::string EvaluationToJson(const Evaluation& evaluation, const NetworkDesc& network) {
  const Counts counts = CountNetwork(network);
  const nlohmann::ordered_json json{
      {"top1", evaluation.top1},     {"top5", evaluation.top5},         {"loss", evaluation.loss},
      {"images", evaluation.images}, {"parameters", counts.parameters}, {"macs", counts.macs}};
  return json.dump(2) + "\n";
}

std::string EvaluationToText(const Evaluation& evaluation, const NetworkDesc& network) {
  const Counts counts = CountNetwork(network);
  return fmt::format(
      "  top-1 accuracy  {:.2f} %\n  top-5 accuracy  {:.2f} %\n  loss            {:.4f}\n"
      "  test images     {}\n  parameters      {}\n  MACs            {}\n",
      evaluation.top1, evaluation.top5, evaluation.loss, FormatCount(evaluation.images),
      FormatCount(counts.parameters), FormatCount(counts.macs));
}

}  // namespace nasengine
