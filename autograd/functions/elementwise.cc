// Sums of tensors. Nothing is saved: the gradient of a plain sum is handed on as it is, shared by
// both terms, and whoever wants to overwrite it takes a copy.
// SPDX-License-Identifier: MIT
#include "kernels/elementwise/elementwise.h"

#include "autograd/functions/record.h"

namespace nasengine {

Variable Sum(Tape& tape, const Variable& a, const Variable& b) {
  NAS_CHECK(a.value().defined() && b.value().defined() && a.shape() == b.shape(), "sum: a is ",
            ToString(a.shape()), ", b is ", ToString(b.shape()));
  Context& context = tape.context();
  Tensor y = EmptyLike(context, a.value(), a.shape());
  Dispatch<Add>(context, {.a = a.value(), .b = b.value(), .y = y});
  if (!internal::Records(tape, a) && !internal::Records(tape, b)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "sum",
               .backward = [out = out.slot(), a = a.slot(), b = b.slot()](Context& context,
                                                                          std::span<Tensor>) {
                 Tensor dy = out->Take();
                 if (!dy.defined()) return;
                 for (const auto& slot : {a, b}) {
                   if (slot != nullptr) slot->Accumulate(context, dy);
                 }
               }});
  return out;
}

double SumOfProducts(Context& context, const Tensor& a, const Tensor& b) {
  const Tensor result = context.Empty({1}, DType::kF32, MemoryCategory::kActivations);
  Dispatch<InnerProduct>(context, {.a = a, .b = b, .result = result});
  return internal::ScalarOf(context, result);
}

}  // namespace nasengine
