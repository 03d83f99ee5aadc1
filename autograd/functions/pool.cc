// Pooling: the averages save nothing, the maximum saves x to find again which element won.
// SPDX-License-Identifier: MIT
#include "kernels/pool/pool.h"

#include "autograd/functions/record.h"

namespace nasengine {

Variable AvgPool(Tape& tape, const Variable& x, const Window& window) {
  internal::CheckImage("avg_pool", x);
  const ConvGeometry geometry = internal::GeometryOf("avg_pool", x, x.shape().back(), window);
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), internal::OutputShape(geometry));
  Dispatch<AvgPoolForward>(context, {.geometry = geometry, .x = x.value(), .y = y});
  if (!internal::Records(tape, x)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "avg_pool",
               .backward = [geometry, shape = x.shape(), out = out.slot(), in = x.slot()](
                               Context& context, std::span<Tensor>) {
                 Tensor dy = out->Take();
                 if (!dy.defined()) return;
                 Tensor dx = EmptyLike(context, dy, shape);
                 Dispatch<AvgPoolBackward>(context, {.geometry = geometry, .dy = dy, .dx = dx});
                 dy.Reset();
                 in->Accumulate(context, std::move(dx));
               }});
  return out;
}

Variable MaxPool(Tape& tape, const Variable& x, const Window& window) {
  internal::CheckImage("max_pool", x);
  const ConvGeometry geometry = internal::GeometryOf("max_pool", x, x.shape().back(), window);
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), internal::OutputShape(geometry));
  Dispatch<MaxPoolForward>(context, {.geometry = geometry, .x = x.value(), .y = y});
  if (!internal::Records(tape, x)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "max_pool",
               .saved = {x.value()},
               .backward = [geometry, out = out.slot(), in = x.slot()](Context& context,
                                                                       std::span<Tensor> saved) {
                 Tensor dy = out->Take();
                 if (!dy.defined()) return;
                 Tensor dx = EmptyLike(context, dy, saved[0].shape());
                 Dispatch<MaxPoolBackward>(
                     context, {.geometry = geometry, .x = saved[0], .dy = dy, .dx = dx});
                 dy.Reset();
                 in->Accumulate(context, std::move(dx));
               }});
  return out;
}

Variable GlobalAvgPool(Tape& tape, const Variable& x) {
  internal::CheckImage("global_avg_pool", x);
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), {x.shape()[0], x.shape().back()});
  Dispatch<GlobalAvgPoolForward>(context, {.x = x.value(), .y = y});
  if (!internal::Records(tape, x)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "global_avg_pool",
               .backward = [shape = x.shape(), out = out.slot(), in = x.slot()](Context& context,
                                                                                std::span<Tensor>) {
                 Tensor dy = out->Take();
                 if (!dy.defined()) return;
                 Tensor dx = EmptyLike(context, dy, shape);
                 Dispatch<GlobalAvgPoolBackward>(context, {.dy = dy, .dx = dx});
                 dy.Reset();
                 in->Accumulate(context, std::move(dx));
               }});
  return out;
}

}  // namespace nasengine
