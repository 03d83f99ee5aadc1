// The fully connected layer: x is saved for the weights' gradient only. It results in f32 whatever
// its input, and its backward pass starts by rounding that gradient to the input's type.
// SPDX-License-Identifier: MIT
#include "kernels/linear/linear.h"

#include "autograd/functions/record.h"
#include "kernels/core/bfloat16.h"

namespace nasengine {
namespace {

struct LinearNode {
  Parameter w;
  Parameter bias;
  std::int64_t in_features;
  DType dtype;  // of x
  std::shared_ptr<GradientSlot> out;
  std::shared_ptr<GradientSlot> in;

  void operator()(Context& context, std::span<Tensor> saved) const {
    Tensor dy = out->Take();
    if (!dy.defined()) return;
    dy = InType(context, dy, dtype);
    if (!saved.empty()) {
      const ParameterSlab::GradientTarget dw = w.slab->Gradient(context, w.index);
      ParameterSlab::GradientTarget dbias{.view = {}, .accumulate = dw.accumulate};
      if (bias.defined()) dbias = bias.slab->Gradient(context, bias.index);
      NAS_CHECK(dbias.accumulate == dw.accumulate, "linear: w and bias are not used together");
      Dispatch<LinearBackwardWeights>(context, {.x = saved[0],
                                                .dy = dy,
                                                .dw = dw.view,
                                                .dbias = dbias.view,
                                                .accumulate = dw.accumulate});
      saved[0].Reset();
    }
    if (in == nullptr) return;
    Tensor dx = EmptyLike(context, dy, {dy.shape()[0], in_features});
    Dispatch<LinearBackwardData>(context, {.dy = dy, .w = w.value(dtype), .dx = dx});
    dy.Reset();
    in->Accumulate(context, std::move(dx));
  }
};

}  // namespace

Variable Linear(Tape& tape, const Variable& x, const Parameter& w, const Parameter& bias) {
  NAS_CHECK(x.value().defined() && x.shape().rank() == 2, "linear: x is ", ToString(x.shape()),
            ", expected (n, in)");
  const Shape w_shape = w.value().shape();
  NAS_CHECK(w_shape.rank() == 2 && w_shape[1] == x.shape()[1], "linear: x has ", x.shape()[1],
            " features, w is ", ToString(w_shape));
  const Tensor b = bias.defined() ? bias.value() : Tensor();
  NAS_CHECK(!b.defined() || b.shape() == Shape{w_shape[0]}, "linear: w is ", ToString(w_shape),
            ", bias is ", ToString(b.shape()));
  Context& context = tape.context();
  const DType dtype = x.value().dtype();
  Tensor y =
      context.Empty({x.shape()[0], w_shape[0]}, SumType(dtype), MemoryCategory::kActivations);
  Dispatch<LinearForward>(context, {.x = x.value(), .w = w.value(dtype), .bias = b, .y = y});
  if (!internal::Records(tape, x, true)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  Node node{.name = "linear"};
  if (tape.parameter_gradients()) node.saved.push_back(x.value());
  node.backward = LinearNode{w, bias, w_shape[1], dtype, out.slot(), x.slot()};
  tape.Record(std::move(node));
  return out;
}

}  // namespace nasengine
