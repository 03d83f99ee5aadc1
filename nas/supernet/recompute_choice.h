// Which blocks compute again in the backward pass what they would keep, so that a step fits into
// memory: as little arithmetic as that takes.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "nas/space/search_space.h"
#include "nas/supernet/compute_options.h"

namespace nasengine {

struct RecomputeChoice {
  RecomputePolicy policy{};
  std::int64_t peak_bytes = 0;
};

// A policy for `nodes` by which `peak_of` (a dry run: bytes) is within the budget, and which keeps
// more than it may with no node less; everything computed again where even that does not fit.
//
// Blocks are ordered once, by the bytes that they free for a multiply-add computed again as their
// descriptions have it, their expansions before the rest of them. How many of the order it takes is
// found by bisection; then what turns out not to be needed is taken back, the dearest first.
// peak_of is asked at most 2 + log2(2 b) + 2 b times for b blocks.
RecomputeChoice ChooseRecompute(std::span<const SpaceNode> nodes, std::int64_t budget_bytes,
                                const std::function<std::int64_t(const RecomputePolicy&)>& peak_of);

// Blocks that could be computed again, and of them those that are.
struct RecomputedBlocks {
  int blocks = 0;
  int expansions = 0;  // no more than their expansion
  int wholes = 0;
};
RecomputedBlocks CountRecomputed(std::span<const SpaceNode> nodes, const RecomputePolicy& policy);

}  // namespace nasengine
