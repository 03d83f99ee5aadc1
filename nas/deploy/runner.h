// Runs a folded graph: everything that can be done once is done in the constructor, so that a run
// is a row of kernel calls.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/conv/mbconv_inference.h"
#include "kernels/core/context.h"
#include "nas/deploy/folded_graph.h"

namespace nasengine {

class FoldedRunner {
 public:
  // Allocates the buffers for `batch` images, chooses every operator's kernel and prepares it,
  // packs weights and reserves the workspace; with kernels of ours a run allocates nothing. Shares
  // the graph's weights. Context and its registry must outlive the runner.
  FoldedRunner(Context& context, const FoldedGraph& graph, std::int64_t batch);
  ~FoldedRunner();
  FoldedRunner(FoldedRunner&&) noexcept;
  FoldedRunner& operator=(FoldedRunner&&) = delete;

  // images (batch, h, w, c) f32 -> the graph's result: (batch, classes) for a network, (batch, h,
  // w, c) for a layer; overwritten by the next run. Throws kInvalidArgument for another shape.
  const Tensor& Run(ConstView images);

  const Shape& input_shape() const { return input_shape_; }
  std::int64_t batch() const { return input_shape_[0]; }
  // Bytes of the buffers between operators.
  std::int64_t buffer_bytes() const;

 private:
  class Step;
  template <class Op>
  class PreparedStep;

  View ValueView(const FoldedGraph& graph, int value) const;
  // Notes an argument that every run points to its images.
  void ReadImage(const FoldedGraph& graph, int value, ConstView& argument);
  ConvGeometry Geometry(const FoldedGraph& graph, const FoldedOp& op) const;
  void KeepWeights(const FoldedOp& op);
  template <class Op>
  typename Op::Args& Prepare(typename Op::Args args);
  void AddStep(const FoldedGraph& graph, const FoldedOp& op);
  template <class Op>
  void AddConv(const FoldedGraph& graph, const FoldedOp& op);
  void AddPointwise(const FoldedGraph& graph, const FoldedOp& op);
  void AddBlock(const FoldedGraph& graph, std::span<const FoldedOp> ops);

  Context& context_;
  Shape input_shape_;
  std::vector<Tensor> buffers_;
  std::vector<Tensor> weights_;
  std::deque<Tensor> packed_;  // arguments point to these
  std::deque<PackedMbconv> packed_blocks_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<ConstView*> image_readers_;  // arguments in steps_ that are the caller's memory
  Tensor result_;                          // shares its buffer
  void* image_memory_ = nullptr;           // while the constructor prepares kernels
};

}  // namespace nasengine
