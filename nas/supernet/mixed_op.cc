// SPDX-License-Identifier: MIT
#include "nas/supernet/mixed_op.h"

#include <algorithm>
#include <utility>

#include "autograd/functions/buffers.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {
namespace {

bool IsAskedFor(const GateGradients& gates, int candidate) {
  return gates.of.empty() || std::ranges::find(gates.of, candidate) != gates.of.end();
}

// The place of one candidate in the weighted sum over all of them.
struct WeightedBranch {
  float weight = 0;
  std::shared_ptr<GradientSlot> branch;  // null when the candidate wants no gradient
  std::shared_ptr<GradientSlot> sum;
  // The backward pass meets the candidates in the reverse of their order: none comes after this.
  bool is_first = false;
  double* gate_gradient = nullptr;  // null: not wanted, and the candidate's output is not saved

  void operator()(Context& context, std::span<Tensor> saved) const {
    Tensor dy = sum->Take();
    if (!dy.defined()) return;
    if (gate_gradient != nullptr) {
      *gate_gradient = SumOfProducts(context, dy, saved[0]);
      saved[0].Reset();
    }
    if (!is_first) sum->Accumulate(context, dy);
    if (branch == nullptr) return;
    Tensor dx = InPlace(context, dy);
    Dispatch<Scale>(context, {.alpha = weight, .x = dy, .y = dx});
    dy.Reset();
    branch->Accumulate(context, std::move(dx));
  }
};

}  // namespace

MixedOp::MixedOp(Context& context, const ChoiceNode& choice, const BatchNormDesc& batch_norm,
                 const WeightStart& start) {
  for (const LayerDesc& desc : choice.candidates) {
    if (desc.op == LayerOp::kZero) {
      candidates_.push_back(nullptr);
      continue;
    }
    candidates_.push_back(std::make_unique<BuiltLayer>(
        context, desc, batch_norm, choice.name + "/" + CandidateName(desc) + "/", start));
    residual_ = HasResidual(desc);
  }
}

Variable MixedOp::Forward(Tape& tape, const Variable& x, int active, GateGradients* gates,
                          const ForwardOptions& options) const {
  const BuiltLayer* layer = candidate(active);
  if (layer == nullptr) return x;
  Variable mixed = layer->ForwardBranch(tape, x, options);
  if (gates != nullptr && tape.recording()) {
    const Variable gated = tape.Output(mixed.value());
    RecordGates(tape, x, mixed, gated, active, *gates, options);
    mixed = gated;
  }
  return residual_ ? Sum(tape, mixed, x) : mixed;
}

void MixedOp::RecordGates(Tape& tape, const Variable& x, const Variable& branch,
                          const Variable& output, int active, GateGradients& gates,
                          const ForwardOptions& options) const {
  tape.Record({.name = "gates",
               .saved = {x.value(), branch.value()},
               .backward = [this, branch_slot = branch.slot(), output_slot = output.slot(), active,
                            &gates, options](Context& context, std::span<const Tensor> saved) {
                 const Tensor dy = output_slot->Take();
                 if (!dy.defined()) return;
                 gates.values.assign(candidates_.size(), 0.0);
                 for (int k = 0; k < candidates(); ++k) {
                   if (is_zero(k) || !IsAskedFor(gates, k)) continue;
                   gates.values[Index(k)] = k == active ? SumOfProducts(context, dy, saved[1])
                                                        : candidate(k)->BranchInnerProduct(
                                                              context, saved[0], dy, options);
                 }
                 if (branch_slot != nullptr) branch_slot->Accumulate(context, dy);
               }});
}

Variable MixedOp::ForwardAll(Tape& tape, const Variable& x, std::span<const float> weights,
                             GateGradients* gates, const ForwardOptions& options) const {
  NAS_CHECK(weights.size() == candidates_.size(), "mixed operation: ", candidates_.size(),
            " candidates, ", weights.size(), " weights");
  const bool wants_gates = gates != nullptr && tape.recording();
  if (wants_gates) gates->values.assign(candidates_.size(), 0.0);
  Variable sum;
  for (int k = 0; k < candidates(); ++k) {
    if (is_zero(k)) continue;
    Variable branch = candidate(k)->ForwardBranch(tape, x, options);
    const std::shared_ptr<GradientSlot> slot = branch.slot();
    const Tensor output = branch.value();
    branch = Variable();  // `output` is then ours alone, unless a node saved it
    const float weight = weights[Index(k)];
    const bool records = wants_gates || slot != nullptr;
    const bool is_first = !sum.value().defined();
    Node node{.name = "weighted_branch"};
    if (wants_gates) node.saved.push_back(output);
    if (is_first) {
      Tensor y = InPlace(tape.context(), output);
      Dispatch<Scale>(tape.context(), {.alpha = weight, .x = output, .y = y});
      sum = records ? tape.Output(std::move(y)) : Variable(std::move(y));
    } else {
      Dispatch<Axpy>(tape.context(), {.alpha = weight, .x = output, .y = sum.value()});
    }
    if (!records) continue;
    node.backward =
        WeightedBranch{.weight = weight,
                       .branch = slot,
                       .sum = sum.slot(),
                       .is_first = is_first,
                       .gate_gradient = wants_gates ? &gates->values[Index(k)] : nullptr};
    tape.Record(std::move(node));
  }
  return residual_ ? Sum(tape, sum, x) : sum;
}

}  // namespace nasengine
