// What `train` and `eval` share: a network from its file, data that fit it, and its accuracy.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/data_source.h"
#include "nas/cli/flags.h"
#include "nas/cli/session.h"
#include "nas/space/network_desc.h"
#include "nas/supernet/network.h"
#include "nas/train/evaluator.h"

namespace nasengine {

// Flags that both commands have.
struct NetworkRunConfig {
  std::string network;  // architecture.json
  std::string weights;
  std::string data = "fashion-mnist";
  std::string device = "cpu";
  std::string kernels;
  int threads = 0;  // 0: as many as the process may use
  std::uint32_t seed = 1;
  bool json = false;
};

void AddNetworkFlags(Flags& flags, NetworkRunConfig& config, const std::string& weights_help);

// Throws what Session throws.
SessionOptions SessionOf(const NetworkRunConfig& config);

// The data set of the configuration, if the network takes its images and has its classes; throws
// kInvalidArgument with both otherwise.
DataSource OpenDataFor(const NetworkDesc& network, const NetworkRunConfig& config,
                       Allocator& allocator);

// Images of an evaluation's batches, but for a smaller last one.
inline constexpr std::int64_t kEvaluationBatch = 200;

// Sizes of the batches in which `images` images are evaluated.
std::vector<std::int64_t> EvaluationSizes(std::int64_t images);

// Over the whole test set.
Evaluation EvaluateOnTest(Session& session, const Network& network, const DataSource& data);

// top1 top5 loss images parameters macs: JSON, or a table for people.
std::string EvaluationToJson(const Evaluation& evaluation, const NetworkDesc& network);
std::string EvaluationToText(const Evaluation& evaluation, const NetworkDesc& network);

}  // namespace nasengine
