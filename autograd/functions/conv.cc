// The three convolutions. For the weights' gradient x is saved; the gradient of x needs only the
// weights, which are read where they live.
// SPDX-License-Identifier: MIT
#include "autograd/functions/record.h"
#include "kernels/conv/conv2d.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/pointwise_conv.h"

namespace nasengine {
namespace {

struct DenseOps {
  static constexpr const char* kName = "conv2d";
  using Forward = Conv2dForward;
  using BackwardData = Conv2dBackwardData;
  using BackwardWeights = Conv2dBackwardWeights;
};

struct PointwiseOps {
  static constexpr const char* kName = "pointwise_conv";
  using Forward = PointwiseConvForward;
  using BackwardData = PointwiseConvBackwardData;
  using BackwardWeights = PointwiseConvBackwardWeights;
};

struct DepthwiseOps {
  static constexpr const char* kName = "depthwise_conv";
  using Forward = DepthwiseConvForward;
  using BackwardData = DepthwiseConvBackwardData;
  using BackwardWeights = DepthwiseConvBackwardWeights;
};

template <class Ops>
void Backward(Context& context, const ConvGeometry& geometry, const Parameter& w, GradientSlot& out,
              GradientSlot* in, std::span<Tensor> saved) {
  Tensor dy = out.Take();
  if (!dy.defined()) return;
  if (!saved.empty()) {
    const ParameterSlab::GradientTarget dw = w.slab->Gradient(context, w.index);
    Dispatch<typename Ops::BackwardWeights>(context, {.geometry = geometry,
                                                      .x = saved[0],
                                                      .dy = dy,
                                                      .dw = dw.view,
                                                      .accumulate = dw.accumulate});
    saved[0].Reset();  // before dx, which is as large
  }
  if (in == nullptr) return;
  Tensor dx = EmptyLike(context, dy, {geometry.n, geometry.h, geometry.w, geometry.c_in});
  Dispatch<typename Ops::BackwardData>(
      context, {.geometry = geometry, .dy = dy, .w = w.value(dy.dtype()), .dx = dx});
  dy.Reset();
  in->Accumulate(context, std::move(dx));
}

template <class Ops>
Variable Convolve(Tape& tape, const Variable& x, const Parameter& w, const ConvGeometry& geometry) {
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), internal::OutputShape(geometry));
  Dispatch<typename Ops::Forward>(
      context,
      {.geometry = geometry, .x = x.value(), .w = w.value(x.value().dtype()), .bias = {}, .y = y});
  if (!internal::Records(tape, x, true)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  Node node{.name = Ops::kName};
  if (tape.parameter_gradients()) node.saved.push_back(x.value());
  node.backward = [geometry, w, out = out.slot(), in = x.slot()](Context& context,
                                                                 std::span<Tensor> saved) {
    Backward<Ops>(context, geometry, w, *out, in.get(), saved);
  };
  tape.Record(std::move(node));
  return out;
}

void CheckWeights(const char* function, const Variable& x, const Parameter& w,
                  const Shape& expected) {
  NAS_CHECK(w.value().shape() == expected, function, ": x is ", ToString(x.shape()),
            ", which wants w of ", ToString(expected), ", w is ", ToString(w.value().shape()));
}

}  // namespace

Variable Conv2d(Tape& tape, const Variable& x, const Parameter& w, const Window& window) {
  internal::CheckImage("conv2d", x);
  const std::int64_t c_out = w.value().shape()[0];
  CheckWeights("conv2d", x, w, {c_out, window.kernel, window.kernel, x.shape().back()});
  return Convolve<DenseOps>(tape, x, w, internal::GeometryOf("conv2d", x, c_out, window));
}

Variable PointwiseConv(Tape& tape, const Variable& x, const Parameter& w) {
  internal::CheckImage("pointwise_conv", x);
  const std::int64_t c_out = w.value().shape()[0];
  CheckWeights("pointwise_conv", x, w, {c_out, x.shape().back()});
  return Convolve<PointwiseOps>(tape, x, w, internal::GeometryOf("pointwise_conv", x, c_out, {}));
}

Variable DepthwiseConv(Tape& tape, const Variable& x, const Parameter& w, const Window& window) {
  internal::CheckImage("depthwise_conv", x);
  const std::int64_t c = x.shape().back();
  CheckWeights("depthwise_conv", x, w, {window.kernel, window.kernel, c});
  return Convolve<DepthwiseOps>(tape, x, w, internal::GeometryOf("depthwise_conv", x, c, window));
}

}  // namespace nasengine
