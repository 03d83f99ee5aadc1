// Buffers for the values of a folded graph.
// SPDX-License-Identifier: MIT
#include "nas/deploy/folded_graph.h"

#include <algorithm>
#include <cstddef>
#include <set>

namespace nasengine {
namespace {

int64_t Elements(const Size3& size) { return size.h * size.w * size.c; }

class BufferPlan {
 public:
  explicit BufferPlan(FoldedGraph& graph) : graph_(graph), last_reader_(graph.values.size(), 0) {
    for (std::size_t first = 0; first < graph.ops.size(); first = EndOfBlock(graph, first)) {
      for (const int value : Reads(first)) last_reader_[static_cast<std::size_t>(value)] = first;
    }
  }

  void Assign() {
    graph_.buffers.clear();
    Value(0).buffer = kCallersMemory;
    for (std::size_t first = 0; first < graph_.ops.size();) {
      const std::size_t end = EndOfBlock(graph_, first);
      for (std::size_t i = first; i + 1 < end; ++i) Value(graph_.ops[i].y).buffer = kInsideBlock;
      const int y = graph_.ops[end - 1].y;
      const int reused = OperandToOverwrite(first);
      Value(y).buffer = reused >= 0 ? Value(reused).buffer : TakeBuffer(Elements(Value(y).size));
      for (const int value : Reads(first)) {
        if (value > 0 && value != reused && DiesAt(value, first)) {
          free_.push_back(Value(value).buffer);
        }
      }
      first = end;
    }
  }

 private:
  FoldedValue& Value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }
  bool DiesAt(int value, std::size_t first) const {
    return last_reader_[static_cast<std::size_t>(value)] == first;
  }

  // What the operators that run as one with `first` read of others.
  std::set<int> Reads(std::size_t first) const {
    std::set<int> values;
    const std::size_t end = EndOfBlock(graph_, first);
    for (std::size_t i = first; i < end; ++i) {
      values.insert({graph_.ops[i].x, graph_.ops[i].addend});
    }
    for (std::size_t i = first; i + 1 < end; ++i) values.erase(graph_.ops[i].y);
    values.erase(-1);
    return values;
  }

  int OperandToOverwrite(std::size_t first) const {
    const FoldedOp& op = graph_.ops[first];
    if (op.kind != FoldedOpKind::kAdd || op.x == op.addend) return -1;
    for (const int value : {op.x, op.addend}) {
      if (value > 0 && DiesAt(value, first)) return value;
    }
    return -1;
  }

  int TakeBuffer(int64_t elements) {
    const auto size = [&](int buffer) { return graph_.buffers[static_cast<std::size_t>(buffer)]; };
    // Smallest that fits before larger ones, and those before the ones too small, largest first.
    const auto better = [&](int a, int b) {
      const bool a_fits = size(a) >= elements;
      if (a_fits != (size(b) >= elements)) return a_fits;
      return a_fits ? size(a) < size(b) : size(a) > size(b);
    };
    const auto best = std::min_element(free_.begin(), free_.end(), better);
    if (best == free_.end()) {
      graph_.buffers.push_back(elements);
      return static_cast<int>(graph_.buffers.size()) - 1;
    }
    const int buffer = *best;
    free_.erase(best);
    int64_t& buffer_elements = graph_.buffers[static_cast<std::size_t>(buffer)];
    buffer_elements = std::max(buffer_elements, elements);
    return buffer;
  }

  FoldedGraph& graph_;
  std::vector<std::size_t> last_reader_;  // the first operator of its block
  std::vector<int> free_;
};

}  // namespace

std::string_view Name(FoldedOpKind kind) {
  switch (kind) {
    case FoldedOpKind::kConv:
      return "conv";
    case FoldedOpKind::kPointwise:
      return "pointwise";
    case FoldedOpKind::kDepthwise:
      return "depthwise";
    case FoldedOpKind::kAdd:
      return "add";
    case FoldedOpKind::kGlobalAvgPool:
      return "global_avg_pool";
    case FoldedOpKind::kLinear:
      break;
  }
  return "linear";
}

std::size_t EndOfBlock(const FoldedGraph& graph, std::size_t first) {
  const int block = graph.ops[first].block;
  std::size_t end = first + 1;
  while (block != kNoBlock && end < graph.ops.size() && graph.ops[end].block == block) ++end;
  return end;
}

void AssignBuffers(FoldedGraph& graph) { BufferPlan(graph).Assign(); }

}  // namespace nasengine
