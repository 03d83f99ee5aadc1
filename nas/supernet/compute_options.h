// How the steps of a supernet or a network compute what they compute: in which type, what of it
// twice, and how much at a time.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "autograd/functions/functions.h"

namespace nasengine {

// What every node of a space, or every layer of a network, computes again in the backward pass
// instead of keeping it. Empty: all is kept. A node of a space and its layer in a derived network
// have the same index, so that a policy of the one is a policy of the other.
using RecomputePolicy = std::vector<Recompute>;

struct ComputeOptions {
  // Of activations; bf16 keeps a copy of the weights in it.
  DType dtype = DType::kF32;
  RecomputePolicy recompute{};
  // Most images that a step with a backward pass computes with at a time; 0: all of a batch. Parts
  // of a batch have their gradients added up, and batch statistics of their own.
  std::int64_t micro_batch = 0;

  Recompute RecomputeOf(std::size_t node) const {
    return recompute.empty() ? Recompute::kNothing : recompute[node];
  }
};

// Throws kInvalidArgument unless there is a policy for each of `nodes`, or none.
inline void CheckOptions(const ComputeOptions& options, std::size_t nodes) {
  NAS_CHECK(options.recompute.empty() || options.recompute.size() == nodes, "recomputation: of ",
            options.recompute.size(), " nodes, expected ", nodes);
  NAS_CHECK(
      options.micro_batch != 1,
      "micro_batch: found 1, expected 2 or more, or 0: batch statistics of one image are none");
}

}  // namespace nasengine
