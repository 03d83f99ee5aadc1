// How our CUDA kernels of batch norm share (rows, c) out, and the bytes that follow from it. Plain
// arithmetic, apart from CUDA, so that the kernels' host side and a test use the same.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/divide_up.h"
#include "kernels/cuda/kernel_traffic.h"

namespace nasengine::cuda {

inline constexpr int kNormThreads = 256;
// Rows that a thread loads at once.
inline constexpr int kNormRows = 4;

// Blocks of a multiprocessor that leave sums of their own, at most.
inline constexpr std::int64_t kNormBlocks = 8;

// A block is `lanes` rows of `width` threads.
struct NormPlan {
  std::int64_t rows = 0;
  std::int64_t c = 0;
  int width = 1;
  int lanes = 1;
  std::int64_t pieces = 0;  // blocks across the channels
  std::int64_t blocks = 0;  // down the rows, each of which leaves sums of its own

  int threads() const { return width * lanes; }
};

// Pieces are narrow, so that a block has lanes whose sums it can add up: fewer sums remain for the
// next stage. 512 bytes side by side are as good as a row for the memory. No blocks where there is
// nothing to do. A thread has `vector` neighbouring channels.
inline NormPlan PlanNorm(std::int64_t rows, std::int64_t c, int vector, int multiprocessors) {
  constexpr std::int64_t kWidest = 32;
  NormPlan plan{.rows = rows, .c = c};
  const std::int64_t groups = DivideUp(c, vector);
  plan.pieces = DivideUp(groups, kWidest);
  plan.width = static_cast<int>(DivideUp(groups, std::max<std::int64_t>(1, plan.pieces)));
  plan.lanes = kNormThreads / std::max(1, plan.width);
  const std::int64_t useful = DivideUp(rows, std::int64_t{plan.lanes} * kNormRows);
  const std::int64_t wanted =
      DivideUp(kNormBlocks * multiprocessors, std::max<std::int64_t>(1, plan.pieces));
  plan.blocks = std::min(useful, wanted);
  return plan;
}

// `tensors` of (rows, c) cross memory: forward 3 (x, x, y), backward 5 (x, dy, x, dy, dx). Sums of
// blocks are two f64 a channel, there and back.
inline KernelTraffic NormTraffic(const NormPlan& plan, std::int64_t element_bytes, int tensors) {
  KernelTraffic traffic;
  traffic.blocks = plan.pieces * plan.blocks;
  traffic.least = static_cast<double>(tensors * plan.rows * plan.c * element_bytes);
  traffic.bytes = traffic.least + ChannelSumBytes(plan.blocks, plan.c);
  traffic.asked = traffic.bytes;
  // Forward: two for the sums, two for the result. Backward: five and five.
  traffic.flops = static_cast<double>((tensors == 3 ? 4 : 10) * plan.rows * plan.c);
  return traffic;
}

}  // namespace nasengine::cuda
