// SPDX-License-Identifier: MIT
#include "nas/train/trainer.h"

#include <cmath>

namespace nasengine {
namespace {

// Weights that are lost already must not be saved as a result.
void RequireFinite(const StepResult& result, double lr) {
  NAS_CHECK(std::isfinite(result.loss), "training: the loss is ", result.loss, " at learning rate ",
            lr, "; lower the learning rate");
}

}  // namespace

StepResult Trainer::Step(Context& context, const Supernet& supernet, std::span<const int> path,
                         const Batch& batch, double lr) const {
  const StepResult result = RunWeightStep(context, supernet, path, batch.images, batch.labels,
                                          static_cast<float>(config_.label_smoothing), {});
  RequireFinite(result, lr);
  Update(context, supernet.Slabs(path), lr);
  return result;
}

StepResult Trainer::StepAllPaths(Context& context, const Supernet& supernet, const Batch& batch,
                                 double lr) const {
  const StepResult result = RunAllPathsStep(context, supernet, batch.images, batch.labels,
                                            static_cast<float>(config_.label_smoothing), {});
  RequireFinite(result, lr);
  Update(context, supernet.Slabs(), lr);
  return result;
}

StepResult Trainer::Step(Context& context, const Network& network, const Batch& batch, double lr,
                         const ForwardOptions& options) const {
  const StepResult result = RunTrainingStep(context, network, batch.images, batch.labels,
                                            static_cast<float>(config_.label_smoothing), options);
  RequireFinite(result, lr);
  Update(context, network.Slabs(), lr);
  return result;
}

void Trainer::Update(Context& context, std::span<ParameterSlab* const> slabs, double lr) const {
  const SgdOptimizer sgd({.momentum = static_cast<float>(config_.momentum),
                          .nesterov = config_.nesterov,
                          .weight_decay = static_cast<float>(config_.weight_decay),
                          .decay_all = config_.decay_all});
  sgd.Step(context, slabs, static_cast<float>(lr));
}

Trainer SearchTrainer(const Recipe& recipe) {
  return Trainer({.momentum = recipe.momentum,
                  .nesterov = recipe.nesterov,
                  .weight_decay = recipe.weight_decay,
                  .decay_all = recipe.decay == DecayOf::kAll,
                  .label_smoothing = recipe.label_smoothing});
}

Trainer NetworkTrainer(const Recipe& recipe) {
  return Trainer({.momentum = recipe.momentum,
                  .nesterov = recipe.train_nesterov,
                  .weight_decay = TrainWeightDecay(recipe),
                  .decay_all = recipe.train_decay == DecayOf::kAll,
                  .label_smoothing = recipe.label_smoothing});
}

}  // namespace nasengine
