// A concrete network, as derived from a search space or read from a file: what trainers, profilers
// and exporters build from. It holds no tensor and no weight.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nas/space/layer_desc.h"

namespace nasengine {

// running = (1 - momentum) * running + momentum * batch; y = (x - mean) / sqrt(variance + epsilon),
// then scale and shift per channel.
struct BatchNormDesc {
  double momentum = 0.1;
  double epsilon = 1e-3;

  friend bool operator==(const BatchNormDesc&, const BatchNormDesc&) = default;
};

struct NetworkDesc {
  std::string name{};
  Size3 input{};
  int64_t classes = 0;
  BatchNormDesc batch_norm{};
  // In topological order; the last one is the classifier. Skipped blocks stay, as kZero.
  std::vector<LayerDesc> layers{};
  // The space it was derived from and the chosen candidate of every searchable block, in order;
  // both empty for a network that comes from no space.
  std::string space{};
  std::vector<std::string> architecture{};
  // By which pixels in [0, 1] are normalised, one number a channel; empty: by those of the training
  // images.
  std::vector<double> mean{};
  std::vector<double> std{};

  friend bool operator==(const NetworkDesc&, const NetworkDesc&) = default;
};

// Checks what every builder relies on: unique names, inputs that are earlier layers and fit in
// size, every output used, sizes that follow from kernel and stride, a classifier at the end.
// Throws kInvalidArgument: "<origin>: layer 'x': found ..., expected ...".
void CheckNetwork(const NetworkDesc& network, std::string_view origin);

}  // namespace nasengine
