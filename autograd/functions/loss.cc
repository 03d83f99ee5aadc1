// The loss: its kernel gives the gradient along with the value, which is saved and, in backward,
// handed on as it is.
// SPDX-License-Identifier: MIT
#include "autograd/functions/record.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/loss/softmax_cross_entropy.h"

namespace nasengine {
namespace {

// The operator's tag has the name of the function below; `struct` tells them apart.
using SoftmaxCrossEntropyOp = struct SoftmaxCrossEntropy;

// The one number in `scalar`, f32 or f64.
double Read(Context& context, const Tensor& scalar) {
  double value_f64 = 0;
  float value = 0;
  const bool wide = scalar.dtype() == DType::kF64;
  context.backend().CopyToHost(wide ? static_cast<void*>(&value_f64) : &value, scalar.data(),
                               static_cast<std::size_t>(scalar.bytes()));
  return wide ? value_f64 : value;
}

}  // namespace

LossResult SoftmaxCrossEntropy(Tape& tape, const Variable& logits, const Tensor& labels,
                               float smoothing) {
  const Shape& shape = logits.shape();
  NAS_CHECK(logits.value().defined() && shape.rank() == 2 && shape[0] >= 1,
            "softmax_cross_entropy: logits are ", ToString(shape), ", expected (n, classes)");
  NAS_CHECK(labels.dtype() == DType::kI32 && labels.shape() == Shape{shape[0]},
            "softmax_cross_entropy: logits are ", ToString(shape), ", labels are ",
            ToString(labels.shape()), " ", Name(labels.dtype()), ", expected ", shape[0], " i32");
  Context& context = tape.context();
  const bool records = internal::Records(tape, logits);
  Tensor loss = EmptyLike(context, logits.value(), {});
  Tensor rank = context.Empty(labels.shape(), DType::kI32, MemoryCategory::kActivations);
  Tensor dlogits = records ? EmptyLike(context, logits.value(), shape) : Tensor();
  Dispatch<SoftmaxCrossEntropyOp>(context, {.logits = logits.value(),
                                            .labels = labels,
                                            .smoothing = smoothing,
                                            .loss = loss,
                                            .dlogits = dlogits,
                                            .rank = rank});
  if (!records) return {Variable(std::move(loss)), std::move(rank)};
  Variable out = tape.Output(std::move(loss));
  tape.Record({.name = "softmax_cross_entropy",
               .saved = {std::move(dlogits)},
               .backward = [out = out.slot(), in = logits.slot()](Context& context,
                                                                  std::span<Tensor> saved) {
                 const Tensor dloss = out->Take();
                 if (!dloss.defined()) return;
                 Tensor dx = std::move(saved[0]);
                 const double scale = Read(context, dloss);
                 if (scale != 1) {
                   Dispatch<Scale>(context, {.alpha = static_cast<float>(scale), .x = dx, .y = dx});
                 }
                 in->Accumulate(context, std::move(dx));
               }});
  return {std::move(out), std::move(rank)};
}

}  // namespace nasengine
