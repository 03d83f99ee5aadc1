// SPDX-License-Identifier: MIT
#include "nas/supernet/step.h"

namespace nasengine {

StepResult ReadResult(const LossResult& loss) {
  StepResult result;
  result.loss = *loss.loss.value().As<float>();
  result.images = loss.rank.elements();
  const auto* rank = loss.rank.As<std::int32_t>();
  for (std::int64_t i = 0; i < result.images; ++i) result.top1_hits += rank[i] == 0;
  return result;
}

StepResult RunWeightStep(Context& context, const Supernet& supernet, std::span<const int> path,
                         const Tensor& images, const Tensor& labels, float smoothing,
                         const ForwardOptions& options) {
  Tape tape(context, GradientsOf::kActivationsAndParameters);
  const Variable logits = supernet.Forward(tape, images, path, {}, options);
  const LossResult loss = SoftmaxCrossEntropy(tape, logits, labels, smoothing);
  tape.Backward(loss.loss);
  return ReadResult(loss);
}

StepResult RunArchitectureStep(Context& context, const Supernet& supernet,
                               std::span<const int> path, const Tensor& images,
                               const Tensor& labels, std::span<GateGradients> gates) {
  Tape tape(context, GradientsOf::kActivations);
  const Variable logits =
      supernet.Forward(tape, images, path, gates, {.norm = NormMode::kBatchFrozen});
  const LossResult loss = SoftmaxCrossEntropy(tape, logits, labels, 0);
  // With every block skipped no gate is left that the loss could depend on.
  if (loss.loss.wants_gradient()) tape.Backward(loss.loss);
  return ReadResult(loss);
}

StepResult RunAllPathsStep(Context& context, const Supernet& supernet, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options) {
  Tape tape(context, GradientsOf::kActivationsAndParameters);
  const Variable logits = supernet.ForwardAll(tape, images, options);
  const LossResult loss = SoftmaxCrossEntropy(tape, logits, labels, smoothing);
  tape.Backward(loss.loss);
  return ReadResult(loss);
}

}  // namespace nasengine
