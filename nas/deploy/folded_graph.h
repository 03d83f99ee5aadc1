// The deployed form of a network as plain data: a list of operators with their weights, batch norms
// folded away. Runners execute it, profilers time it, exporters write it.
//
// Operators read and write values; a value lives in a buffer, and a buffer serves many values.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/tensor.h"
#include "nas/space/layer_desc.h"

namespace nasengine {

enum class FoldedOpKind { kConv, kPointwise, kDepthwise, kAdd, kGlobalAvgPool, kLinear };
std::string_view Name(FoldedOpKind kind);

// What flows between operators, for one image; a vector of c numbers is 1 x 1 x c.
struct FoldedValue {
  Size3 size{};
  // Index into FoldedGraph::buffers, or one of the two below.
  int buffer = 0;
};
inline constexpr int kCallersMemory = -1;  // the image
inline constexpr int kInsideBlock = -2;    // never whole in memory
inline constexpr int kNoBlock = -1;

struct FoldedOp {
  FoldedOpKind kind = FoldedOpKind::kConv;
  // Layer and stage: "block3/expand".
  std::string name{};
  // Values. kAdd reads x and addend, every other operator x alone (addend is -1).
  int x = 0;
  int addend = -1;
  int y = 0;
  // Convolutions; padding is kernel / 2.
  int kernel = 1;
  int stride = 1;
  Activation activation = Activation::kNone;
  // Which inverted bottleneck it belongs to: [kPointwise], kDepthwise, kPointwise, [kAdd] in a row,
  // whose values but the last nobody else reads, so that they can run as one.
  int block = kNoBlock;
  // kConv (out, k, k, in), kPointwise and kLinear (out, in), kDepthwise (k, k, c), bias (out); f32.
  // Not defined for kAdd and kGlobalAvgPool.
  Tensor weight{};
  Tensor bias{};
};

struct FoldedGraph {
  // Values 0 and y of the last operator are the image and the result (the logits of a network).
  std::vector<FoldedValue> values{};
  // In the order of execution.
  std::vector<FoldedOp> ops{};
  // Elements of every buffer for one image.
  std::vector<int64_t> buffers{};

  const FoldedValue& result() const { return values[static_cast<std::size_t>(ops.back().y)]; }
};

// One past the last of the operators that run as one with operator `first`, the first of them.
std::size_t EndOfBlock(const FoldedGraph& graph, std::size_t first);

// Gives every value but the image and those inside a block a buffer: a value's buffer is free again
// after its last reader, and an addition overwrites one of its operands where that operand has no
// later reader. A block reads until it has written all, so that it overwrites nothing. Among free
// buffers the smallest that fits is taken, else the largest one grows.
void AssignBuffers(FoldedGraph& graph);

}  // namespace nasengine
