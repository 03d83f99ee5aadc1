// Runs a folded graph: everything that can be done once is done in the constructor, so that a run
// is a row of kernel calls.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/core/context.h"
#include "nas/deploy/folded_graph.h"

namespace nasengine {

class FoldedRunner {
 public:
  // Allocates the buffers for `batch` images, chooses every operator's kernel and prepares it, and
  // reserves the workspace; a run allocates nothing. Shares the graph's weights. Context and its
  // registry must outlive the runner.
  FoldedRunner(Context& context, const FoldedGraph& graph, std::int64_t batch);
  ~FoldedRunner();
  FoldedRunner(FoldedRunner&&) noexcept;
  FoldedRunner& operator=(FoldedRunner&&) = delete;

  // images (batch, h, w, c) f32 -> the graph's result: (batch, classes) for a network, (batch, h,
  // w, c) for a layer. The view holds until the next run. Throws kInvalidArgument for another
  // shape.
  ConstView Run(ConstView images);

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
  void AddStep(const FoldedGraph& graph, const FoldedOp& op);
  template <class Op>
  typename Op::Args& Prepare(typename Op::Args args);
  template <class Op>
  void AddConv(const FoldedGraph& graph, const FoldedOp& op);

  Context& context_;
  Shape input_shape_;
  std::vector<Tensor> buffers_;
  std::vector<Tensor> weights_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<ConstView*> image_readers_;  // arguments in steps_ that are the caller's memory
  ConstView result_;
  void* image_memory_ = nullptr;  // while the constructor prepares kernels
};

}  // namespace nasengine
