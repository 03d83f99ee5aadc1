// The deployed form of a network as plain data: a list of operators with their weights, batch norms
// folded away. Runners execute it, profilers time it, exporters write it.
//
// Operators read and write values; a value lives in a buffer, and a buffer serves many values.
// SPDX-License-Identifier: MIT
#pragma once

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
  // Index into FoldedGraph::buffers; kCallersMemory for the image.
  int buffer = 0;
};
inline constexpr int kCallersMemory = -1;

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

// Gives every value but the image a buffer: a value's buffer is free again after its last reader,
// and an addition overwrites one of its operands where that operand has no later reader. Among free
// buffers the smallest that fits is taken, else the largest one grows.
void AssignBuffers(FoldedGraph& graph);

}  // namespace nasengine
