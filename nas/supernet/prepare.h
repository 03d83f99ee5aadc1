// Making a run's steps ready: after it no step creates a primitive, grows the workspace or asks the
// system for memory.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "kernels/core/allocator.h"
#include "kernels/core/kernel_registry.h"
#include "nas/supernet/network.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

// A step as it will run, on the context it is given; it leaves nothing allocated there.
using PreparableStep = std::function<void(Context&)>;

// Runs each step on a sibling of `context` whose kernels compute nothing but create what they need,
// then reserves in `context` the largest workspace and in `allocator` (the one `context` uses) one
// region for the largest step.
void Prepare(Context& context, CachingAllocator& allocator, std::span<const PreparableStep> steps);

// Everything that `steps` may need along any path of `supernet`, including the momentum of every
// candidate.
void PrepareSupernet(Context& context, CachingAllocator& allocator, Supernet& supernet,
                     const std::vector<SizedStep>& steps);

// The training steps of a network by itself, of each of these batches.
void PrepareTraining(Context& context, CachingAllocator& allocator, Network& network,
                     std::span<const std::int64_t> batches);

}  // namespace nasengine
