// Dropout: the mask is drawn again in backward, so nothing is saved.
// SPDX-License-Identifier: MIT
#include "autograd/functions/record.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {

// The operator's tag has the name of this function; `struct` tells them apart.
using DropoutOp = struct Dropout;

Variable Dropout(Tape& tape, const Variable& x, float rate, const Rng& rng, std::uint64_t step) {
  NAS_CHECK(x.value().defined(), "dropout: x is undefined");
  NAS_CHECK(rate >= 0 && rate < 1, "dropout: rate ", rate, ", expected 0 or more and under 1");
  if (rate == 0) return x;
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), x.shape());
  Dispatch<DropoutOp>(context, {.x = x.value(), .rate = rate, .rng = rng, .step = step, .y = y});
  if (!internal::Records(tape, x)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "dropout",
               .backward = [rate, rng, step, out = out.slot(), in = x.slot()](Context& context,
                                                                              std::span<Tensor>) {
                 Tensor dy = out->Take();
                 if (!dy.defined()) return;
                 Tensor dx = InPlace(context, dy);
                 Dispatch<DropoutOp>(context,
                                     {.x = dy, .rate = rate, .rng = rng, .step = step, .y = dx});
                 dy.Reset();
                 in->Accumulate(context, std::move(dx));
               }});
  return out;
}

}  // namespace nasengine
