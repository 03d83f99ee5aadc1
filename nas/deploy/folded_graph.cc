// Buffers for the values of a folded graph.
// SPDX-License-Identifier: MIT
#include "nas/deploy/folded_graph.h"

#include <algorithm>
#include <cstddef>

namespace nasengine {
namespace {

int64_t Elements(const Size3& size) { return size.h * size.w * size.c; }

class BufferPlan {
 public:
  explicit BufferPlan(FoldedGraph& graph) : graph_(graph), last_reader_(graph.values.size(), -1) {
    for (std::size_t i = 0; i < graph.ops.size(); ++i) {
      for (const int value : {graph.ops[i].x, graph.ops[i].addend}) {
        if (value >= 0) last_reader_[static_cast<std::size_t>(value)] = static_cast<int>(i);
      }
    }
  }

  void Assign() {
    graph_.buffers.clear();
    Value(0).buffer = kCallersMemory;
    for (int i = 0; i < static_cast<int>(graph_.ops.size()); ++i) {
      const FoldedOp& op = graph_.ops[static_cast<std::size_t>(i)];
      const int reused = OperandToOverwrite(op, i);
      Value(op.y).buffer =
          reused >= 0 ? Value(reused).buffer : TakeBuffer(Elements(Value(op.y).size));
      for (const int value : {op.x, op.addend == op.x ? -1 : op.addend}) {
        if (value > 0 && value != reused && DiesAt(value, i)) free_.push_back(Value(value).buffer);
      }
    }
  }

 private:
  FoldedValue& Value(int index) { return graph_.values[static_cast<std::size_t>(index)]; }
  bool DiesAt(int value, int op) const {
    return last_reader_[static_cast<std::size_t>(value)] == op;
  }

  int OperandToOverwrite(const FoldedOp& op, int index) const {
    if (op.kind != FoldedOpKind::kAdd || op.x == op.addend) return -1;
    for (const int value : {op.x, op.addend}) {
      if (value > 0 && DiesAt(value, index)) return value;
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
  std::vector<int> last_reader_;
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

void AssignBuffers(FoldedGraph& graph) { BufferPlan(graph).Assign(); }

}  // namespace nasengine
