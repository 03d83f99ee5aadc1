// Weight steps: forward, backward, SGD on the slabs of the active path.
// SPDX-License-Identifier: MIT
#pragma once

#include "autograd/optim/sgd.h"
#include "data/batch.h"
#include "nas/space/recipe.h"
#include "nas/supernet/step.h"

namespace nasengine {

struct TrainerConfig {
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 4e-5;
  // Whether batch norms' scale and shift and the classifier's bias decay too, as in the search.
  bool decay_all = true;
  double label_smoothing = 0.1;
};

class Trainer {
 public:
  explicit Trainer(const TrainerConfig& config) : config_(config) {}

  // One step of the supernet's weights along `path`; nothing outside the path is touched.
  StepResult Step(Context& context, const Supernet& supernet, std::span<const int> path,
                  const Batch& batch, double lr) const;
  // One step of the weights of all candidates, each weighted by its probability.
  StepResult StepAllPaths(Context& context, const Supernet& supernet, const Batch& batch,
                          double lr) const;
  // One step of a network. `options` brings dropout.
  StepResult Step(Context& context, const Network& network, const Batch& batch, double lr,
                  const ForwardOptions& options) const;

 private:
  void Update(Context& context, std::span<ParameterSlab* const> slabs, double lr) const;

  TrainerConfig config_;
};

// As the recipe trains the weights of a search, and a network by itself.
Trainer SearchTrainer(const Recipe& recipe);
Trainer NetworkTrainer(const Recipe& recipe);

}  // namespace nasengine
