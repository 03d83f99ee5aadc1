// SPDX-License-Identifier: MIT
#include "nas/train/network_training.h"

#include <algorithm>

#include "autograd/optim/lr_schedule.h"
#include "kernels/core/timer.h"
#include "nas/train/trainer.h"

namespace nasengine {

double TrainNetwork(Context& context, CachingAllocator& allocator, Network& network, Loader& loader,
                    const Recipe& recipe, const NetworkTraining& training,
                    const LoopControl& control) {
  const Trainer trainer = NetworkTrainer(recipe);
  const std::int64_t planned = training.epochs * loader.batches_per_epoch();
  const std::int64_t steps =
      training.max_steps > 0 ? std::min(planned, training.max_steps) : planned;
  const Rng dropout(training.seed, RngPurpose::kDropout);
  const Timer total;
  if (steps == 0) return 0;
  const LinearRamp ramp{
      .batches = std::min(steps, recipe.train_warmup_epochs * loader.batches_per_epoch()),
      .start = recipe.train_warmup_start};
  const CosineSchedule schedule(training.lr, steps, ramp);
  for (std::int64_t step = 0; step < steps && !control.stopped(); ++step) {
    const Timer timer;
    allocator.ResetPeak();
    const Batch batch = loader.Next();
    const double lr = schedule.At(step);
    const ForwardOptions options{.dropout_rng = &dropout, .step = static_cast<std::uint64_t>(step)};
    const StepResult result = trainer.Step(context, network, batch, lr, options);
    if (!control.observe) continue;
    control.observe(
        {.step = step + 1,
         .steps = steps,
         .epoch = batch.epoch,
         .phase = Phase::kTrain,
         .loss = result.loss,
         .top1 = 100.0 * static_cast<double>(result.top1_hits) / static_cast<double>(result.images),
         .lr = lr,
         .ms = timer.ms(),
         .images = result.images,
         .peak_bytes = allocator.stats().peak_bytes});
  }
  return total.seconds();
}

}  // namespace nasengine
