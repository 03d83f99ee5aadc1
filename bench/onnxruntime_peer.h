// Our deployed network beside ONNX Runtime's of the same weights: `bench inference --peer
// onnxruntime`.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/commands.h"
#include "bench/peer_process.h"
#include "bench/workbench.h"
#include "nas/deploy/folded_graph.h"
#include "nas/space/network_desc.h"

namespace nasengine {

// What both sides compute.
struct InferenceTask {
  const NetworkDesc& network;
  const FoldedGraph& graph;
  Tensor images;
  Tensor logits;  // ours
};

class OnnxRuntimePeer {
 public:
  // A session on the bench's threads and cores that has computed the task once. Null where that is
  // impossible; `why` says the reason then. Throws kInvalidArgument where its logits are not ours.
  static std::unique_ptr<OnnxRuntimePeer> Start(Workbench& bench, const InferenceTask& task,
                                                const std::string& python, std::string& why);

  // Computes the task `times` times; false once it has ended.
  bool Run(int times);

  const std::string& version() const { return version_; }
  // Of the logits, as a share of their root mean square.
  double largest_difference() const { return largest_difference_; }

 private:
  explicit OnnxRuntimePeer(std::unique_ptr<PeerProcess> process) : process_(std::move(process)) {}

  std::unique_ptr<PeerProcess> process_;
  std::string version_;
  double largest_difference_ = 0;
};

// Whether `why` is that there is no ONNX Runtime at all.
bool IsMissing(const std::string& why);

}  // namespace nasengine
