// A process that takes steps of one kind on request, in the lines that bench/peers/pytorch_step.py
// describes: PyTorch's steps, or ours.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/peer_process.h"

namespace nasengine {

class StepPeer {
 public:
  // Starts `command`, hands over `request` and waits for the first step. Throws kNotFound where the
  // program cannot be started, kUnsupported with its words where it has no step to give.
  StepPeer(std::vector<std::string> command, std::vector<std::string> environment,
           const std::string& request);

  // What it calls itself: a version.
  const std::string& version() const { return version_; }
  // Takes a step; false where it has ended or takes too long, and for good.
  bool Step();
  // Its resident peak above its start since the first step, or nothing where it has ended.
  std::optional<std::int64_t> PeakBytes();

 private:
  PeerProcess process_;
  std::string version_;
  bool answers_ = true;
};

}  // namespace nasengine
