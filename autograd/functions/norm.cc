// Batch norm with the activation that follows it: saved are x and the batch's statistics, from
// which the activation's mask is computed again, so that the result itself need not be kept.
// SPDX-License-Identifier: MIT
#include "autograd/functions/record.h"
#include "kernels/norm/batch_norm.h"

namespace nasengine {
namespace {

enum Saved : std::size_t { kX, kMean, kInvStd };

struct BatchNormNode {
  Parameter gamma;
  Parameter beta;
  Activation activation;
  bool parameter_gradients;
  std::shared_ptr<GradientSlot> out;
  std::shared_ptr<GradientSlot> in;

  void operator()(Context& context, std::span<Tensor> saved) const {
    Tensor dy = out->Take();
    if (!dy.defined()) return;
    ParameterSlab::GradientTarget dgamma;
    ParameterSlab::GradientTarget dbeta;
    if (parameter_gradients) {
      dgamma = gamma.slab->Gradient(context, gamma.index);
      dbeta = beta.slab->Gradient(context, beta.index);
      NAS_CHECK(dgamma.accumulate == dbeta.accumulate,
                "batch_norm: gamma and beta are not used together");
    }
    Tensor dx = InPlace(context, dy);
    Dispatch<BatchNormBackward>(context, {.x = saved[kX],
                                          .dy = dy,
                                          .gamma = gamma.value(),
                                          .beta = beta.value(),
                                          .mean = saved[kMean],
                                          .inv_std = saved[kInvStd],
                                          .activation = activation,
                                          .dx = dx,
                                          .dgamma = dgamma.view,
                                          .dbeta = dbeta.view,
                                          .accumulate = dgamma.accumulate});
    dy.Reset();
    if (in != nullptr) in->Accumulate(context, std::move(dx));
  }
};

void CheckArguments(const Tape& tape, const Variable& x, const Parameter& gamma,
                    const Parameter& beta, const Tensor& running_mean, const Tensor& running_var,
                    const BatchNormOptions& options) {
  NAS_CHECK(x.value().defined(), "batch_norm: x is undefined");
  const Shape expected{x.shape().back()};
  const auto check = [&](const char* what, const Shape& found) {
    NAS_CHECK(found == expected, "batch_norm: x has ", expected[0], " channels, ", what, " is ",
              ToString(found));
  };
  check("gamma", gamma.value().shape());
  check("beta", beta.value().shape());
  check("running_mean", running_mean.shape());
  check("running_var", running_var.shape());
  NAS_CHECK(options.mode != NormMode::kRunning || !tape.recording(),
            "batch_norm: running statistics on a tape that records; they are not differentiable");
}

}  // namespace

Variable BatchNorm(Tape& tape, const Variable& x, const Parameter& gamma, const Parameter& beta,
                   const Tensor& running_mean, const Tensor& running_var,
                   const BatchNormOptions& options) {
  CheckArguments(tape, x, gamma, beta, running_mean, running_var, options);
  Context& context = tape.context();
  Tensor y = EmptyLike(context, x.value(), x.shape());
  if (options.mode == NormMode::kRunning) {
    Dispatch<BatchNormInference>(context, {.x = x.value(),
                                           .gamma = gamma.value(),
                                           .beta = beta.value(),
                                           .mean = running_mean,
                                           .var = running_var,
                                           .epsilon = options.epsilon,
                                           .activation = options.activation,
                                           .y = y});
    return Variable(std::move(y));
  }
  Tensor mean = EmptyLike(context, running_mean, running_mean.shape());
  Tensor inv_std = EmptyLike(context, running_mean, running_mean.shape());
  const bool moves = options.mode == NormMode::kBatch;
  Dispatch<BatchNormForward>(context, {.x = x.value(),
                                       .gamma = gamma.value(),
                                       .beta = beta.value(),
                                       .epsilon = options.epsilon,
                                       .momentum = options.momentum,
                                       .activation = options.activation,
                                       .y = y,
                                       .mean = mean,
                                       .inv_std = inv_std,
                                       .running_mean = moves ? running_mean.view() : View{},
                                       .running_var = moves ? running_var.view() : View{}});
  if (!internal::Records(tape, x, true)) return Variable(std::move(y));
  Variable out = tape.Output(std::move(y));
  tape.Record({.name = "batch_norm",
               .saved = {x.value(), std::move(mean), std::move(inv_std)},
               .backward = BatchNormNode{gamma, beta, options.activation,
                                         tape.parameter_gradients(), out.slot(), x.slot()}});
  return out;
}

}  // namespace nasengine
