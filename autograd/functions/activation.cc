// The activation on its own: its slope is read off the result, which is saved.
// SPDX-License-Identifier: MIT
#include "autograd/functions/record.h"
#include "kernels/activation/activation_op.h"

namespace nasengine {

Variable ApplyActivation(Tape& tape, const Variable& x, Activation activation) {
  NAS_CHECK(x.value().defined(), "activation: x is undefined");
  if (activation == Activation::kNone) return x;
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), x.shape());
  Dispatch<ActivationForward>(context, {.x = x.value(), .activation = activation, .y = y});
  if (!internal::Records(tape, x)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "activation",
               .saved = {out.value()},
               .backward = [activation, out = out.slot(), in = x.slot()](Context& context,
                                                                         std::span<Tensor> saved) {
                 Tensor dy = out->Take();
                 if (!dy.defined()) return;
                 Tensor dx = InPlace(context, dy);
                 Dispatch<ActivationBackward>(
                     context, {.y = saved[0], .dy = dy, .activation = activation, .dx = dx});
                 dy.Reset();
                 in->Accumulate(context, std::move(dx));
               }});
  return out;
}

}  // namespace nasengine
