// Sums of tensors. Nothing is saved: the gradient of a plain sum is handed on as it is, shared by
// both terms, and whoever wants to overwrite it takes a copy.
// SPDX-License-Identifier: MIT
#include "kernels/elementwise/elementwise.h"

#include <vector>

#include "autograd/functions/record.h"

namespace nasengine {
namespace {

struct WeightedTerm {
  float weight;
  std::shared_ptr<GradientSlot> slot;
};

void WeightedSumBackward(Context& context, std::span<const WeightedTerm> terms, Tensor dy) {
  for (std::size_t k = 0; k < terms.size(); ++k) {
    const bool last = k + 1 == terms.size();
    if (terms[k].weight == 1) {
      terms[k].slot->Accumulate(context, dy);
      continue;
    }
    Tensor dx =
        last ? internal::InPlace(context, dy) : internal::EmptyLike(context, dy, dy.shape());
    Dispatch<Scale>(context, {.alpha = terms[k].weight, .x = dy, .y = dx});
    if (last) dy.Reset();
    terms[k].slot->Accumulate(context, std::move(dx));
  }
}

}  // namespace

Variable Sum(Tape& tape, const Variable& a, const Variable& b) {
  NAS_CHECK(a.value().defined() && b.value().defined() && a.shape() == b.shape(), "sum: a is ",
            ToString(a.shape()), ", b is ", ToString(b.shape()));
  Context& context = tape.context();
  Tensor y = internal::EmptyLike(context, a.value(), a.shape());
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

Variable WeightedSum(Tape& tape, std::span<const Variable> terms, std::span<const float> weights) {
  NAS_CHECK(!terms.empty() && terms.size() == weights.size(), "weighted_sum: ", terms.size(),
            " terms, ", weights.size(), " weights, expected as many and one or more");
  Context& context = tape.context();
  std::vector<WeightedTerm> wanted;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    NAS_CHECK(terms[k].value().defined() && terms[k].shape() == terms[0].shape(),
              "weighted_sum: term 0 is ", ToString(terms[0].shape()), ", term ", k, " is ",
              ToString(terms[k].shape()));
    if (internal::Records(tape, terms[k])) wanted.push_back({weights[k], terms[k].slot()});
  }
  Tensor y = internal::EmptyLike(context, terms[0].value(), terms[0].shape());
  Dispatch<Scale>(context, {.alpha = weights[0], .x = terms[0].value(), .y = y});
  for (std::size_t k = 1; k < terms.size(); ++k) {
    Dispatch<Axpy>(context, {.alpha = weights[k], .x = terms[k].value(), .y = y});
  }
  if (wanted.empty()) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "weighted_sum",
               .backward = [out = out.slot(), wanted = std::move(wanted)](Context& context,
                                                                          std::span<Tensor>) {
                 Tensor dy = out->Take();
                 if (dy.defined()) WeightedSumBackward(context, wanted, std::move(dy));
               }});
  return out;
}

}  // namespace nasengine
