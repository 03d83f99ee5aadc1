// The steps that a supernet and a single network take, without an optimiser: forward, loss,
// backward. Training, planning, preparing and benchmarks all run these.
//
// Images come in f32; a step with a backward pass computes in the type of its supernet or network,
// to which it rounds them, and in parts of the batch where that asks for it: gradients are those of
// the mean loss of all images all the same, but every part has its own batch statistics, and each
// moves the running ones. What only judges, RunForwardStep, computes in f32 and at once.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nas/supernet/network.h"
#include "nas/supernet/supernet.h"

namespace nasengine {

struct StepResult {
  double loss = 0;  // mean over the batch
  std::int64_t top1_hits = 0;
  std::int64_t top5_hits = 0;
  std::int64_t images = 0;
};

// Reads loss and ranks back to the host.
StepResult ReadResult(Context& context, const LossResult& loss);

// Leaves the gradients of the path's parameters in their slabs.
StepResult RunWeightStep(Context& context, const Supernet& supernet, std::span<const int> path,
                         const Tensor& images, const Tensor& labels, float smoothing,
                         const ForwardOptions& options);

// The same of a network by itself.
StepResult RunTrainingStep(Context& context, const Network& network, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options);

// Leaves d loss / d gate in `gates`, one a block; no parameter and no running statistic is touched.
// The loss has no label smoothing.
StepResult RunArchitectureStep(Context& context, const Supernet& supernet,
                               std::span<const int> path, const Tensor& images,
                               const Tensor& labels, std::span<GateGradients> gates);

// The same with the gates of two candidates a block only: along `active`, with the gradients of its
// gates and of those of `inactive`, which differs from it in every block.
StepResult RunTwoPathsStep(Context& context, const Supernet& supernet, std::span<const int> active,
                           std::span<const int> inactive, const Tensor& images,
                           const Tensor& labels, std::span<GateGradients> gates);

// Forward alone, nothing recorded, with the batch's own statistics, which stay: how good a path is.
// The loss has no label smoothing.
StepResult RunForwardStep(Context& context, const Supernet& supernet, std::span<const int> path,
                          const Tensor& images, const Tensor& labels);

// All candidates weighted by their probabilities; leaves gradients in every slab.
StepResult RunAllPathsStep(Context& context, const Supernet& supernet, const Tensor& images,
                           const Tensor& labels, float smoothing, const ForwardOptions& options);

// The architecture step of all candidates weighted: leaves d loss / d p_k in `gates`, one a block,
// and touches nothing else, as RunArchitectureStep.
StepResult RunAllPathsArchitectureStep(Context& context, const Supernet& supernet,
                                       const Tensor& images, const Tensor& labels,
                                       std::span<GateGradients> gates);

}  // namespace nasengine
