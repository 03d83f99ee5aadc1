// Prepared kernel calls over shared buffers.
// SPDX-License-Identifier: MIT
#include "nas/deploy/runner.h"

#include <utility>

#include "kernels/conv/conv2d.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/pointwise_inference.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/pool/pool.h"

namespace nasengine {

class FoldedRunner::Step {
 public:
  virtual ~Step() = default;
  virtual void Run(Context& context) const = 0;
};

template <class Op>
class FoldedRunner::PreparedStep final : public Step {
 public:
  PreparedStep(Context& context, typename Op::Args step_args)
      : args(std::move(step_args)), entry_(context.registry().Select<Op>(context, args)) {
    if (entry_.workspace_bytes) context.ReserveWorkspace(entry_.workspace_bytes(context, args));
  }
  void Run(Context& context) const override { entry_.run(context, args); }

  typename Op::Args args;

 private:
  const KernelEntry<Op>& entry_;
};

FoldedRunner::FoldedRunner(Context& context, const FoldedGraph& graph, std::int64_t batch)
    : context_(context) {
  NAS_CHECK(batch >= 1, "runner: found batch ", batch, ", expected at least 1");
  NAS_CHECK(!graph.ops.empty(), "runner: the graph has no operator");
  const Size3& image = graph.values.front().size;
  input_shape_ = Shape{batch, image.h, image.w, image.c};
  for (const int64_t elements : graph.buffers) {
    buffers_.push_back(
        context.Empty(Shape{batch * elements}, DType::kF32, MemoryCategory::kActivations));
  }
  // Kernels look at their arguments when they are prepared, so the image needs some memory by then.
  const Tensor image_memory =
      context.Empty(input_shape_, DType::kF32, MemoryCategory::kActivations);
  image_memory_ = image_memory.data();
  for (std::size_t first = 0; first < graph.ops.size();) {
    const std::size_t end = EndOfBlock(graph, first);
    const std::span<const FoldedOp> ops(&graph.ops[first], end - first);
    ops.size() == 1 ? AddStep(graph, ops.front()) : AddBlock(graph, ops);
    first = end;
  }
  image_memory_ = nullptr;
  const FoldedOp& last = graph.ops.back();
  const Shape map = ValueView(graph, last.y).shape;
  result_ = buffers_[static_cast<std::size_t>(graph.result().buffer)].Slice(
      0, last.kind == FoldedOpKind::kLinear ? Shape{batch, map.back()} : map);
}

FoldedRunner::~FoldedRunner() = default;
FoldedRunner::FoldedRunner(FoldedRunner&&) noexcept = default;

const Tensor& FoldedRunner::Run(ConstView images) {
  NAS_CHECK(images.shape == input_shape_ && images.dtype == DType::kF32, "runner: images are ",
            ToString(images.shape), " ", Name(images.dtype), ", expected ", ToString(input_shape_),
            " f32");
  for (ConstView* reader : image_readers_) reader->data = images.data;
  for (const std::unique_ptr<Step>& step : steps_) step->Run(context_);
  return result_;
}

std::int64_t FoldedRunner::buffer_bytes() const {
  std::int64_t bytes = 0;
  for (const Tensor& buffer : buffers_) bytes += buffer.bytes();
  return bytes;
}

View FoldedRunner::ValueView(const FoldedGraph& graph, int value) const {
  const FoldedValue& described = graph.values[static_cast<std::size_t>(value)];
  const Size3& size = described.size;
  const Shape shape{batch(), size.h, size.w, size.c};
  if (described.buffer == kCallersMemory) return {image_memory_, shape, DType::kF32};
  return {buffers_[static_cast<std::size_t>(described.buffer)].data(), shape, DType::kF32};
}

void FoldedRunner::ReadImage(const FoldedGraph& graph, int value, ConstView& argument) {
  const bool is_image = graph.values[static_cast<std::size_t>(value)].buffer == kCallersMemory;
  if (is_image) image_readers_.push_back(&argument);
}

template <class Op>
typename Op::Args& FoldedRunner::Prepare(typename Op::Args args) {
  auto step = std::make_unique<PreparedStep<Op>>(context_, std::move(args));
  typename Op::Args& kept = step->args;
  steps_.push_back(std::move(step));
  return kept;
}

ConvGeometry FoldedRunner::Geometry(const FoldedGraph& graph, const FoldedOp& op) const {
  const View x = ValueView(graph, op.x);
  return {.n = batch(),
          .h = x.shape[1],
          .w = x.shape[2],
          .c_in = x.shape[3],
          .c_out = ValueView(graph, op.y).shape[3],
          .kernel = op.kernel,
          .stride = op.stride,
          .pad = op.kernel / 2};
}

template <class Op>
void FoldedRunner::AddConv(const FoldedGraph& graph, const FoldedOp& op) {
  typename Op::Args& args = Prepare<Op>({.geometry = Geometry(graph, op),
                                         .x = ValueView(graph, op.x),
                                         .w = op.weight,
                                         .bias = op.bias,
                                         .activation = op.activation,
                                         .y = ValueView(graph, op.y)});
  ReadImage(graph, op.x, args.x);
}

void FoldedRunner::AddPointwise(const FoldedGraph& graph, const FoldedOp& op) {
  const Tensor& packed = packed_.emplace_back(PackPointwise(context_, op.weight));
  PointwiseInference::Args& args = Prepare<PointwiseInference>({.geometry = Geometry(graph, op),
                                                                .x = ValueView(graph, op.x),
                                                                .w = op.weight,
                                                                .bias = op.bias,
                                                                .activation = op.activation,
                                                                .packed = &packed,
                                                                .y = ValueView(graph, op.y)});
  ReadImage(graph, op.x, args.x);
}

void FoldedRunner::AddBlock(const FoldedGraph& graph, std::span<const FoldedOp> ops) {
  for (const FoldedOp& op : ops) KeepWeights(op);
  const int x = ops.front().x;
  const int y = ops.back().y;
  MbconvInference::Args args;
  args.x = ValueView(graph, x);
  args.y = ValueView(graph, y);
  args.residual = ops.back().kind == FoldedOpKind::kAdd;
  if (args.residual) ops = ops.first(ops.size() - 1);
  if (ops.size() == 3) args.expand = {ops[0].weight, ops[0].bias};
  const FoldedOp& depthwise = ops[ops.size() - 2];
  const FoldedOp& project = ops.back();
  args.activation = depthwise.activation;
  args.depthwise = {depthwise.weight, depthwise.bias};
  args.project = {project.weight, project.bias};
  args.geometry = {.n = batch(),
                   .h = args.x.shape[1],
                   .w = args.x.shape[2],
                   .c_in = args.x.shape[3],
                   .expanded = depthwise.weight.shape()[2],
                   .c_out = args.y.shape[3],
                   .kernel = depthwise.kernel,
                   .stride = depthwise.stride};
  args.packed = &packed_blocks_.emplace_back(PackMbconv(context_, args));
  ReadImage(graph, x, Prepare<MbconvInference>(args).x);
}

void FoldedRunner::KeepWeights(const FoldedOp& op) {
  for (const Tensor& tensor : {op.weight, op.bias}) {
    if (tensor.defined()) weights_.push_back(tensor);
  }
}

void FoldedRunner::AddStep(const FoldedGraph& graph, const FoldedOp& op) {
  KeepWeights(op);
  const View x = ValueView(graph, op.x);
  View y = ValueView(graph, op.y);
  switch (op.kind) {
    case FoldedOpKind::kConv:
      return AddConv<Conv2dForward>(graph, op);
    case FoldedOpKind::kPointwise:
    case FoldedOpKind::kLinear:
      return AddPointwise(graph, op);
    case FoldedOpKind::kDepthwise:
      return AddConv<DepthwiseConvForward>(graph, op);
    case FoldedOpKind::kAdd: {
      Add::Args& args = Prepare<Add>({.a = x, .b = ValueView(graph, op.addend), .y = y});
      ReadImage(graph, op.x, args.a);
      ReadImage(graph, op.addend, args.b);
      return;
    }
    case FoldedOpKind::kGlobalAvgPool: {
      y.shape = Shape{batch(), y.shape[3]};
      ReadImage(graph, op.x, Prepare<GlobalAvgPoolForward>({.x = x, .y = y}).x);
      return;
    }
  }
}

}  // namespace nasengine
