// SPDX-License-Identifier: MIT
#include "nas/supernet/mixed_op.h"

#include <utility>

#include "kernels/core/kernel_registry.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {
namespace {

double Inner(Context& context, const Tensor& a, const Tensor& b) {
  float result = 0;
  Dispatch<InnerProduct>(context, {.a = a, .b = b, .result = View{&result, Shape{1}, DType::kF32}});
  return result;
}

}  // namespace

MixedOp::MixedOp(Context& context, const ChoiceNode& choice, const BatchNormDesc& batch_norm) {
  for (const LayerDesc& desc : choice.candidates) {
    if (desc.op == LayerOp::kZero) {
      candidates_.push_back(nullptr);
      continue;
    }
    candidates_.push_back(std::make_unique<BuiltLayer>(
        context, desc, batch_norm, choice.name + "/" + CandidateName(desc) + "/"));
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
  tape.Record(
      {.name = "gates",
       .saved = {x.value(), branch.value()},
       .backward = [this, branch_slot = branch.slot(), output_slot = output.slot(), active, &gates,
                    options](Context& context, std::span<const Tensor> saved) {
         const Tensor dy = output_slot->Take();
         if (!dy.defined()) return;
         Tape unrecorded(context, GradientsOf::kNothing);
         // Evaluated only for this inner product: nothing of theirs may move.
         ForwardOptions frozen = options;
         frozen.norm = NormMode::kBatchFrozen;
         gates.values.assign(candidates_.size(), 0.0);
         for (int k = 0; k < candidates(); ++k) {
           if (is_zero(k)) continue;
           const Tensor o =
               k == active
                   ? saved[1]
                   : candidate(k)->ForwardBranch(unrecorded, Variable(saved[0]), frozen).value();
           gates.values[Index(k)] = Inner(context, dy, o);
         }
         if (branch_slot != nullptr) branch_slot->Accumulate(context, dy);
       }});
}

Variable MixedOp::ForwardAll(Tape& tape, const Variable& x, std::span<const float> weights,
                             const ForwardOptions& options) const {
  NAS_CHECK(weights.size() == candidates_.size(), "mixed operation: ", candidates_.size(),
            " candidates, ", weights.size(), " weights");
  std::vector<Variable> branches;
  std::vector<float> branch_weights;
  for (int k = 0; k < candidates(); ++k) {
    if (is_zero(k)) continue;
    branches.push_back(candidate(k)->ForwardBranch(tape, x, options));
    branch_weights.push_back(weights[Index(k)]);
  }
  const Variable mixed = WeightedSum(tape, branches, branch_weights);
  return residual_ ? Sum(tape, mixed, x) : mixed;
}

}  // namespace nasengine
