// SPDX-License-Identifier: MIT
#include "nas/train/evaluator.h"

#include <optional>

#include "autograd/functions/buffers.h"
#include "nas/deploy/fold.h"
#include "nas/deploy/runner.h"
#include "nas/supernet/micro_batches.h"
#include "nas/supernet/step.h"

namespace nasengine {
namespace {

// forward(tape, images) -> logits
template <class Forward>
Evaluation EvaluateWith(Context& context, EvalBatches& batches, const Forward& forward) {
  double loss_sum = 0;
  std::int64_t top1 = 0;
  std::int64_t top5 = 0;
  for (std::int64_t i = 0; i < batches.count(); ++i) {
    const Batch batch = batches.Get(i);
    Tape tape(context, GradientsOf::kNothing);
    const LossResult loss = SoftmaxCrossEntropy(tape, forward(tape, batch.images), batch.labels, 0);
    const StepResult result = ReadResult(context, loss);
    loss_sum += result.loss * static_cast<double>(result.images);
    top1 += result.top1_hits;
    top5 += result.top5_hits;
  }
  const auto images = static_cast<double>(batches.images());
  return {.top1 = 100.0 * static_cast<double>(top1) / images,
          .top5 = 100.0 * static_cast<double>(top5) / images,
          .loss = loss_sum / images,
          .images = batches.images()};
}

}  // namespace

Evaluation Evaluate(Context& context, const Network& network, EvalBatches& batches) {
  const FoldedGraph graph = Fold(context, network);
  std::optional<FoldedRunner> runner;  // another one for a last batch that is smaller
  return EvaluateWith(context, batches, [&](Tape&, const Tensor& images) {
    const std::int64_t n = images.shape()[0];
    if (!runner || runner->batch() != n) runner.emplace(context, graph, n);
    return Variable(runner->Run(images));
  });
}

Evaluation Evaluate(Context& context, const Supernet& supernet, std::span<const int> path,
                    EvalBatches& batches) {
  return EvaluateWith(context, batches, [&](Tape& tape, const Tensor& images) {
    return supernet.Forward(tape, images, path, {}, {.norm = NormMode::kBatchFrozen});
  });
}

void CalibrateBatchNorms(Context& context, Network& network, Loader& loader, int batches) {
  network.ResetStatistics();
  int averaged = 0;
  for (int i = 0; i < batches; ++i) {
    const Batch batch = loader.Next();
    for (const BatchPart& part :
         PartsOf(batch.images, batch.labels, network.compute().micro_batch)) {
      ++averaged;
      Tape tape(context, GradientsOf::kNothing);
      network.Forward(
          tape, InType(context, part.images, network.dtype()),
          {.norm = NormMode::kBatch, .norm_momentum = 1.0f / static_cast<float>(averaged)});
    }
  }
}

}  // namespace nasengine
