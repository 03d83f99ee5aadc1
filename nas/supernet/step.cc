// SPDX-License-Identifier: MIT
#include "nas/supernet/step.h"

#include <algorithm>
#include <vector>

#include "autograd/functions/buffers.h"
#include "nas/supernet/micro_batches.h"

namespace nasengine {
namespace {

// In its working type `network` reads pixels too: they have no more than the eight bits that bf16
// keeps, so that no convolution need mix two types.
template <class Net>
Tensor ImagesFor(Context& context, const Net& network, const Tensor& images) {
  return InType(context, images, network.dtype());
}

// What `run` gives for the parts of a batch, together.
template <class Net, class Run>
StepResult InParts(const Net& network, const Tensor& images, const Tensor& labels, const Run& run) {
  StepResult whole;
  for (const BatchPart& part : PartsOf(images, labels, network.compute().micro_batch)) {
    const StepResult result = run(part);
    whole.loss += part.share * result.loss;
    whole.top1_hits += result.top1_hits;
    whole.top5_hits += result.top5_hits;
    whole.images += result.images;
  }
  return whole;
}

// Loss and backward pass of a part, whose gradients are its share of the batch's.
StepResult Finish(Tape& tape, const Variable& logits, const BatchPart& part, float smoothing) {
  const LossResult loss = SoftmaxCrossEntropy(tape, logits, part.labels, smoothing);
  // With every block skipped no gate is left that the loss of an architecture step could depend on.
  if (loss.loss.wants_gradient()) tape.Backward(loss.loss, static_cast<float>(part.share));
  return ReadResult(tape.context(), loss);
}

// forward(tape, images, part) -> logits
template <class Net, class Forward>
StepResult WeightStep(Context& context, const Net& network, const Tensor& images,
                      const Tensor& labels, float smoothing, const Forward& forward) {
  return InParts(network, images, labels, [&](const BatchPart& part) {
    Tape tape(context, GradientsOf::kActivationsAndParameters);
    return Finish(tape, forward(tape, ImagesFor(context, network, part.images), part), part,
                  smoothing);
  });
}

void Add(std::span<const GateGradients> part, std::span<GateGradients> sum) {
  for (std::size_t block = 0; block < sum.size(); ++block) {
    const std::vector<double>& from = part[block].values;
    std::vector<double>& to = sum[block].values;
    to.resize(from.size());
    for (std::size_t k = 0; k < from.size(); ++k) to[k] += from[k];
  }
}

// forward(tape, images, gates) -> logits
template <class Forward>
StepResult ArchitectureStep(Context& context, const Supernet& supernet, const Tensor& images,
                            const Tensor& labels, std::span<GateGradients> gates,
                            const Forward& forward) {
  for (GateGradients& gate : gates) gate.values.clear();
  const std::vector<GateGradients> asked(gates.begin(), gates.end());
  return InParts(supernet, images, labels, [&](const BatchPart& part) {
    std::vector<GateGradients> of_part = asked;
    Tape tape(context, GradientsOf::kActivations);
    const Variable logits = forward(tape, ImagesFor(context, supernet, part.images), of_part);
    const StepResult result = Finish(tape, logits, part, 0);
    Add(of_part, gates);
    return result;
  });
}

}  // namespace

StepResult ReadResult(Context& context, const LossResult& loss) {
  float value = 0;
  context.backend().CopyToHost(&value, loss.loss.value().data(), sizeof(value));
  std::vector<std::int32_t> rank(static_cast<std::size_t>(loss.rank.elements()));
  context.backend().CopyToHost(rank.data(), loss.rank.data(),
                               static_cast<std::size_t>(loss.rank.bytes()));
  const auto below = [&](std::int32_t bound) {
    return std::ranges::count_if(rank, [bound](std::int32_t r) { return r < bound; });
  };
  return {
      .loss = value, .top1_hits = below(1), .top5_hits = below(5), .images = loss.rank.elements()};
}

StepResult RunWeightStep(Context& context, const Supernet& supernet, std::span<const int> path,
                         const Tensor& images, const Tensor& labels, float smoothing,
                         const ForwardOptions& options) {
  return WeightStep(context, supernet, images, labels, smoothing,
                    [&](Tape& tape, const Tensor& x, const BatchPart&) {
                      return supernet.Forward(tape, x, path, {}, options);
                    });
}

StepResult RunTrainingStep(Context& context, const Network& network, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options) {
  return WeightStep(context, network, images, labels, smoothing,
                    [&](Tape& tape, const Tensor& x, const BatchPart& part) {
                      // Dropout draws anew for every part.
                      ForwardOptions own = options;
                      own.step = options.step * static_cast<std::uint64_t>(part.count) +
                                 static_cast<std::uint64_t>(part.index);
                      return network.Forward(tape, x, own);
                    });
}

StepResult RunArchitectureStep(Context& context, const Supernet& supernet,
                               std::span<const int> path, const Tensor& images,
                               const Tensor& labels, std::span<GateGradients> gates) {
  return ArchitectureStep(context, supernet, images, labels, gates,
                          [&](Tape& tape, const Tensor& x, std::span<GateGradients> of_part) {
                            return supernet.Forward(tape, x, path, of_part,
                                                    {.norm = NormMode::kBatchFrozen});
                          });
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
  return ReadResult(context, SoftmaxCrossEntropy(tape, logits, labels, 0));
}

StepResult RunAllPathsStep(Context& context, const Supernet& supernet, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options) {
  return WeightStep(context, supernet, images, labels, smoothing,
                    [&](Tape& tape, const Tensor& x, const BatchPart&) {
                      return supernet.ForwardAll(tape, x, {}, options);
                    });
}

StepResult RunAllPathsArchitectureStep(Context& context, const Supernet& supernet,
                                       const Tensor& images, const Tensor& labels,
                                       std::span<GateGradients> gates) {
  return ArchitectureStep(context, supernet, images, labels, gates,
                          [&](Tape& tape, const Tensor& x, std::span<GateGradients> of_part) {
                            return supernet.ForwardAll(tape, x, of_part,
                                                       {.norm = NormMode::kBatchFrozen});
                          });
}

}  // namespace nasengine
