// The mixed operation of one searchable block: all its candidates' weights, of which one path is
// evaluated and kept.
//
// The block's output is branch_active(x) + x where the block has a residual, and x itself, bit for
// bit, where the active candidate is Zero. With gate gradients wanted, one extra node on the tape
// forms, for the incoming gradient dy of the mixed operation's output,
//   d loss / d gate_k = <dy, branch_k(x)>   [ProxylessNAS 2019, section 3.2]
// for the active candidate from its saved output, for every other one that is asked for by
// evaluating it on the saved x without recording, one after another: one path of memory. Of an
// MBConv the last batch norm's result, which nobody else reads, is not written: its inner product
// is formed from what the last convolution gives (kernels/norm/batch_norm_inner_product.h), in bf16
// without the rounding that storing the result would cost. Zero's is 0. Evaluated that late,
// branch_k(x) is what it would have been in the forward pass, detached: a function of x, the
// weights and the batch's own statistics, none of which moves before the backward pass is over.
//
// All candidates at once (DARTS) are weighed by one node each, which the backward pass meets just
// before the candidate's own nodes: one scaled gradient exists at a time, and a candidate's output
// is kept only if its inner product is wanted, until that is formed.
// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "nas/space/search_space.h"
#include "nas/supernet/built_layer.h"

namespace nasengine {

// The gate gradients of one block in one step.
struct GateGradients {
  // The candidates whose gradients are asked for; of all where it is empty.
  std::vector<int> of{};
  // Filled in by the backward pass: one a candidate, 0 where not asked for. Left empty where the
  // active candidate is Zero, for which none exists.
  std::vector<double> values{};
};

class MixedOp {
 public:
  MixedOp(Context& context, const ChoiceNode& choice, const BatchNormDesc& batch_norm,
          const WeightStart& start = {});

  // `gates`, if not null, receives the gate gradients in the backward pass and must live until
  // then.
  Variable Forward(Tape& tape, const Variable& x, int active, GateGradients* gates,
                   const ForwardOptions& options) const;
  // All candidates at once, weighted (DARTS): sum over k of weights[k] * branch_k(x), plus x where
  // the block has a residual. `gates`, if not null, receives the gradients of the weights, of all
  // candidates.
  Variable ForwardAll(Tape& tape, const Variable& x, std::span<const float> weights,
                      GateGradients* gates, const ForwardOptions& options) const;

  int candidates() const { return static_cast<int>(candidates_.size()); }
  bool is_zero(int candidate) const { return candidates_[Index(candidate)] == nullptr; }
  // Null for Zero.
  BuiltLayer* candidate(int index) const { return candidates_[Index(index)].get(); }
  const std::vector<std::unique_ptr<BuiltLayer>>& layers() const { return candidates_; }

 private:
  static std::size_t Index(int candidate) { return static_cast<std::size_t>(candidate); }
  void RecordGates(Tape& tape, const Variable& x, const Variable& branch, const Variable& output,
                   int active, GateGradients& gates, const ForwardOptions& options) const;

  std::vector<std::unique_ptr<BuiltLayer>> candidates_;
  bool residual_ = false;
};

}  // namespace nasengine
