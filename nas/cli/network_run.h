// What `train` and `eval` share: a network, data that fit it, and its accuracy.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "data/data_source.h"
#include "nas/cli/flags.h"
#include "nas/cli/session.h"
#include "nas/space/network_desc.h"
#include "nas/supernet/network.h"
#include "nas/train/evaluator.h"

namespace nasengine {

// Flags that both commands have.
struct NetworkRunConfig {
  std::string network;  // a built-in name or a file
  std::string weights;
  std::string data = "fashion-mnist";
  std::string device = "cpu";
  std::string kernels;
  int threads = 0;  // 0: as many as the process may use
  std::uint32_t seed = 1;
  bool json = false;
};

void AddNetworkFlags(Flags& flags, NetworkRunConfig& config, const std::string& weights_help);

// What --network takes, for --help.
std::string NetworkFlagHelp();
// Of --preset.
std::string PresetFlagHelp();

// Throws what Session throws.
SessionOptions SessionOf(const NetworkRunConfig& config);

// A network and the data it works on.
struct NetworkTask {
  NetworkDesc network;
  DataSource data;
};

// The network and the data set of the configuration. A network by name is given the images' size
// and the classes of the data; throws kInvalidArgument where the images are too small for it, and
// where a network from a file takes other images or has other classes.
NetworkTask OpenNetworkTask(const NetworkRunConfig& config, Allocator& allocator);

// By default pixels are normalised by the training images; a network may bring numbers of its own.
void NormalizeAsTheNetworkSays(NetworkTask& task);

// Images of an evaluation's batches, but for a smaller last one; the same for every command, so
// that they tell the same loss.
inline constexpr std::int64_t kEvaluationBatch = 200;

// Over the whole test set.
Evaluation EvaluateOnTest(Session& session, const Network& network, const DataSource& data);

// top1 top5 loss images parameters macs: JSON, or a table for people.
std::string EvaluationToJson(const Evaluation& evaluation, const NetworkDesc& network);
std::string EvaluationToText(const Evaluation& evaluation, const NetworkDesc& network);

}  // namespace nasengine
