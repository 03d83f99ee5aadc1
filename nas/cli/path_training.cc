// SPDX-License-Identifier: MIT
#include "nas/cli/path_training.h"

#include "nas/cli/network_run.h"
#include "nas/deploy/fold.h"
#include "nas/deploy/runner.h"
#include "nas/supernet/prepare.h"
#include "nas/train/evaluator.h"
#include "nas/train/network_training.h"
#include "nas/train/recipe_images.h"

namespace nasengine {

std::unique_ptr<Network> PathTraining::Train(std::span<const int> path, const LoopControl& control,
                                             double* seconds) const {
  const Recipe& recipe = parts_.recipe;
  Loader& loader = parts_.train_loader;
  Context& context = parts_.session.context();
  CachingAllocator& allocator = parts_.session.allocator();
  // The arena of the search, or of the network trained before: two of them would exceed the plan.
  allocator.ReleaseCached();
  std::unique_ptr<Network> network = parts_.supernet.Derive(context, path);
  const LoaderPosition start{.epoch = recipe.warmup_epochs + recipe.search_epochs, .batch = 0};
  loader.Seek(start);
  PrepareTraining(context, allocator, *network,
                  TrainingSizes(recipe, TrainBatch(recipe), loader.images_per_epoch()));
  if (parts_.config.init == "random") {
    network->Initialize(parts_.config.seed);
  } else {
    CalibrateBatchNorms(context, *network, loader, recipe.calibration_batches);
    loader.Seek(start);
  }
  const double trained = TrainNetwork(context, allocator, *network, loader, recipe,
                                      {.epochs = recipe.train_epochs,
                                       .lr = recipe.train_lr,
                                       .seed = parts_.config.seed,
                                       .max_steps = parts_.config.max_steps},
                                      control);
  if (seconds != nullptr) *seconds = trained;
  return network;
}

double PathTraining::Validate(const Network& network) const {
  EvalBatches batches(*parts_.data.train, parts_.split.architecture, kEvaluationBatch,
                      parts_.data.stats, parts_.session.batch_memory());
  return Evaluate(parts_.session.context(), network, batches).top1;
}

double PathTraining::Test(const Network& network) const {
  return EvaluateOnTest(parts_.session, network, parts_.data).top1;
}

NetworkTiming PathTraining::Measure(const Network& network) const {
  const FoldedGraph graph = Fold(parts_.session.context(), network);
  FoldedRunner runner(parts_.session.context(), graph, 1);
  return MeasureNetwork(parts_.session.context(), network.desc(), runner,
                        {.seed = parts_.config.seed});
}

}  // namespace nasengine
