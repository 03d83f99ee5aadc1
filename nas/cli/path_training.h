// How a path of a searched supernet becomes a trained and judged network: the one that was found
// and those it is compared with, all in the same way.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>

#include "data/data_source.h"
#include "data/loader.h"
#include "data/split.h"
#include "nas/cli/session.h"
#include "nas/config/run_config.h"
#include "nas/latency/latency_profiler.h"
#include "nas/supernet/supernet.h"
#include "nas/train/step_record.h"

namespace nasengine {

class PathTraining {
 public:
  struct Parts {
    const RunConfig& config;
    const Recipe& recipe;
    Session& session;
    const DataSource& data;
    const Split& split;
    const Supernet& supernet;
    Loader& train_loader;  // of the images for the weights
  };
  // All parts must outlive it.
  explicit PathTraining(const Parts& parts) : parts_(parts) {}

  // Trains the network of `path` from where the configuration says: every one sees the same images
  // in the same order, and none that the search's own epochs have drawn. `seconds` may be null.
  std::unique_ptr<Network> Train(std::span<const int> path, const LoopControl& control,
                                 double* seconds) const;
  // Percent, on the held-out images and on the test set.
  double Validate(const Network& network) const;
  double Test(const Network& network) const;
  NetworkTiming Measure(const Network& network) const;

 private:
  Parts parts_;
};

}  // namespace nasengine
