// SPDX-License-Identifier: MIT
#include "kernels/optim/optimizer_step.h"

#include <cmath>

#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/optim/optimizer_step_check.h"

namespace nasengine {

void CheckArgs(const SgdStep::Args& args) {
  CheckFloat(SgdStep::kName, "dw", args.dw);
  CheckView(SgdStep::kName, "w", args.w, args.dw.shape, args.dw.dtype);
  CheckView(SgdStep::kName, "v", args.v, args.dw.shape, args.dw.dtype);
  if (!args.w_bf16.empty()) {
    CheckView(SgdStep::kName, "w_bf16", args.w_bf16, args.dw.shape, DType::kBf16);
  }
}

void CheckArgs(const AdamStep::Args& args) {
  constexpr const char* kOp = AdamStep::kName;
  CheckFloat(kOp, "dw", args.dw);
  CheckView(kOp, "w", args.w, args.dw.shape, args.dw.dtype);
  CheckView(kOp, "v", args.v, args.dw.shape, args.dw.dtype);
  if (args.m.empty()) {
    NAS_CHECK(args.beta1 == 0, kOp, ": m is missing and beta1 is ", args.beta1, ", expected 0");
  } else {
    CheckView(kOp, "m", args.m, args.dw.shape, args.dw.dtype);
  }
  NAS_CHECK(args.beta1 >= 0 && args.beta1 < 1 && args.beta2 >= 0 && args.beta2 < 1, kOp,
            ": beta1 is ", args.beta1, ", beta2 is ", args.beta2,
            ", expected 0 or more and less than 1");
  NAS_CHECK(args.step >= 1, kOp, ": step is ", args.step, ", expected 1 or more");
}

AdamCorrection CorrectionAt(const AdamStep::Args& args) {
  const auto step = static_cast<double>(args.step);
  return {1 / (1 - std::pow(double{args.beta1}, step)),
          1 / (1 - std::pow(double{args.beta2}, step))};
}

std::vector<View*> SgdStep::Outputs(Args& args) { return {&args.w, &args.v, &args.w_bf16}; }
std::vector<View*> AdamStep::Outputs(Args& args) { return {&args.w, &args.m, &args.v}; }

double SgdStep::ErrorScale(const Args& args, int output) {
  TermScale scale;
  for (std::int64_t i = 0; i < args.dw.elements(); ++i) {
    const double dw = args.dw.As<float>()[i];
    const double w = args.w.As<float>()[i];
    const double decay = double{args.weight_decay} * w;
    const double carried = double{args.momentum} * args.v.As<float>()[i];
    const double lr = args.lr;
    const double look_ahead = args.nesterov ? 1 + double{args.momentum} : 1;
    if (output != 1) {
      scale.Element({w, lr * look_ahead * dw, lr * look_ahead * decay,
                     lr * (args.nesterov ? double{args.momentum} : 1) * carried});
    } else {
      scale.Element({dw, decay, carried});
    }
  }
  return scale.value();
}

double AdamStep::ErrorScale(const Args& args, int output) {
  const double beta1 = args.beta1;
  const double beta2 = args.beta2;
  const AdamCorrection correction = CorrectionAt(args);
  TermScale scale;
  for (std::int64_t i = 0; i < args.dw.elements(); ++i) {
    const double w = args.w.As<float>()[i];
    // Magnitudes, so that a gradient cancelled by the decay keeps the error of its terms.
    const double g = std::hypot(args.dw.As<float>()[i], double{args.weight_decay} * w);
    const double m = args.m.empty() ? 0 : beta1 * args.m.As<float>()[i];
    const double v = beta2 * args.v.As<float>()[i];
    const double first = std::hypot(m, (1 - beta1) * g);
    const double second = v + (1 - beta2) * g * g;
    switch (output) {
      case 0:
        scale.Element({w, args.lr * first * correction.first /
                              (std::sqrt(second * correction.second) + double{args.epsilon})});
        break;
      case 1:
        scale.Element({first});
        break;
      default:
        scale.Element({v, (1 - beta2) * g * g});
    }
  }
  return scale.value();
}

}  // namespace nasengine
