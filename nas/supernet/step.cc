// SPDX-License-Identifier: MIT
#include "nas/supernet/step.h"

#include "autograd/functions/buffers.h"

namespace nasengine {
namespace {

// In its working type `network` reads pixels too: they have no more than the eight bits that bf16
// keeps, so that no convolution need mix two types.
template <class Net>
Tensor ImagesFor(Context& context, const Net& network, const Tensor& images) {
  return InType(context, images, network.dtype());
}

StepResult FinishWeightStep(Tape& tape, const Variable& logits, const Tensor& labels,
                            float smoothing) {
  const LossResult loss = SoftmaxCrossEntropy(tape, logits, labels, smoothing);
  tape.Backward(loss.loss);
  return ReadResult(loss);
}

StepResult FinishArchitectureStep(Tape& tape, const Variable& logits, const Tensor& labels) {
  const LossResult loss = SoftmaxCrossEntropy(tape, logits, labels, 0);
  // With every block skipped no gate is left that the loss could depend on.
  if (loss.loss.wants_gradient()) tape.Backward(loss.loss);
  return ReadResult(loss);
}

}  // namespace

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
  return FinishWeightStep(
      tape, supernet.Forward(tape, ImagesFor(context, supernet, images), path, {}, options), labels,
      smoothing);
}

StepResult RunTrainingStep(Context& context, const Network& network, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options) {
  Tape tape(context, GradientsOf::kActivationsAndParameters);
  return FinishWeightStep(tape, network.Forward(tape, ImagesFor(context, network, images), options),
                          labels, smoothing);
}

StepResult RunArchitectureStep(Context& context, const Supernet& supernet,
                               std::span<const int> path, const Tensor& images,
                               const Tensor& labels, std::span<GateGradients> gates) {
  Tape tape(context, GradientsOf::kActivations);
  const Variable logits = supernet.Forward(tape, ImagesFor(context, supernet, images), path, gates,
                                           {.norm = NormMode::kBatchFrozen});
  return FinishArchitectureStep(tape, logits, labels);
}

StepResult RunTwoPathsStep(Context& context, const Supernet& supernet, std::span<const int> active,
                           std::span<const int> inactive, const Tensor& images,
                           const Tensor& labels, std::span<GateGradients> gates) {
  NAS_CHECK(active.size() == gates.size() && inactive.size() == gates.size(), "two paths: of ",
            active.size(), " and ", inactive.size(), " blocks, ", gates.size(), " gate gradients");
  for (std::size_t block = 0; block < gates.size(); ++block) {
    gates[block].of = {active[block], inactive[block]};
  }
  return RunArchitectureStep(context, supernet, active, images, labels, gates);
}

StepResult RunForwardStep(Context& context, const Supernet& supernet, std::span<const int> path,
                          const Tensor& images, const Tensor& labels) {
  Tape tape(context, GradientsOf::kNothing);
  const Variable logits =
      supernet.Forward(tape, images, path, {}, {.norm = NormMode::kBatchFrozen});
  return ReadResult(SoftmaxCrossEntropy(tape, logits, labels, 0));
}

StepResult RunAllPathsStep(Context& context, const Supernet& supernet, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options) {
  Tape tape(context, GradientsOf::kActivationsAndParameters);
  return FinishWeightStep(
      tape, supernet.ForwardAll(tape, ImagesFor(context, supernet, images), {}, options), labels,
      smoothing);
}

StepResult RunAllPathsArchitectureStep(Context& context, const Supernet& supernet,
                                       const Tensor& images, const Tensor& labels,
                                       std::span<GateGradients> gates) {
  Tape tape(context, GradientsOf::kActivations);
  const Variable logits = supernet.ForwardAll(tape, ImagesFor(context, supernet, images), gates,
                                              {.norm = NormMode::kBatchFrozen});
  return FinishArchitectureStep(tape, logits, labels);
}

}  // namespace nasengine
