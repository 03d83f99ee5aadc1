// SPDX-License-Identifier: MIT
#include "kernels/optim/optimizer_step.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/optim/optimizer_step_check.h"

namespace nasengine {
namespace {

// All slabs have the first one's type.
template <class Args>
DType TypeOf(const char* op, const Args& args) {
  if (args.slabs.empty()) return DType::kF32;
  CheckFloat(op, "dw", args.slabs.front().dw);
  return args.slabs.front().dw.dtype;
}

template <class Slab>
std::string CountOf(const std::vector<Slab>& slabs) {
  std::int64_t weights = 0;
  for (const Slab& slab : slabs) weights += slab.dw.elements();
  return StrCat(weights, " weights in ", slabs.size(), slabs.size() == 1 ? " slab" : " slabs");
}

}  // namespace

std::string ToString(const std::vector<SgdStep::Slab>& slabs) { return CountOf(slabs); }
std::string ToString(const std::vector<AdamStep::Slab>& slabs) { return CountOf(slabs); }

void CheckArgs(const SgdStep::Args& args) {
  constexpr const char* kOp = SgdStep::kName;
  const DType dtype = TypeOf(kOp, args);
  for (const SgdStep::Slab& slab : args.slabs) {
    CheckView(kOp, "dw", slab.dw, slab.dw.shape, dtype);
    CheckView(kOp, "w", slab.w, slab.dw.shape, dtype);
    CheckView(kOp, "v", slab.v, slab.dw.shape, dtype);
    if (slab.w_bf16.empty()) continue;
    CheckView(kOp, "w_bf16", slab.w_bf16, slab.dw.shape, DType::kBf16);
  }
}

void CheckArgs(const AdamStep::Args& args) {
  constexpr const char* kOp = AdamStep::kName;
  const DType dtype = TypeOf(kOp, args);
  const bool has_mean = HasMean(args);
  for (const AdamStep::Slab& slab : args.slabs) {
    CheckView(kOp, "dw", slab.dw, slab.dw.shape, dtype);
    CheckView(kOp, "w", slab.w, slab.dw.shape, dtype);
    CheckView(kOp, "v", slab.v, slab.dw.shape, dtype);
    if (has_mean) CheckView(kOp, "m", slab.m, slab.dw.shape, dtype);
  }
  NAS_CHECK(has_mean || args.beta1 == 0, kOp, ": m is missing and beta1 is ", args.beta1,
            ", expected 0");
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

bool HasMean(const AdamStep::Args& args) {
  return std::any_of(args.slabs.begin(), args.slabs.end(),
                     [](const AdamStep::Slab& slab) { return !slab.m.empty(); });
}

std::vector<View*> SgdStep::Outputs(Args& args) {
  std::vector<View*> outputs;
  for (Slab& slab : args.slabs) outputs.insert(outputs.end(), {&slab.w, &slab.v, &slab.w_bf16});
  return outputs;
}

std::vector<View*> AdamStep::Outputs(Args& args) {
  std::vector<View*> outputs;
  for (Slab& slab : args.slabs) outputs.insert(outputs.end(), {&slab.w, &slab.m, &slab.v});
  return outputs;
}

double SgdStep::ErrorScale(const Args& args, int output) {
  const Slab& slab = args.slabs.at(static_cast<std::size_t>(output / 3));
  TermScale scale;
  for (std::int64_t i = 0; i < slab.dw.elements(); ++i) {
    const double dw = slab.dw.As<float>()[i];
    const double w = slab.w.As<float>()[i];
    const double decay = double{slab.weight_decay} * w;
    const double carried = double{args.momentum} * slab.v.As<float>()[i];
    const double lr = args.lr;
    const double look_ahead = args.nesterov ? 1 + double{args.momentum} : 1;
    if (output % 3 != 1) {
      scale.Element({w, lr * look_ahead * dw, lr * look_ahead * decay,
                     lr * (args.nesterov ? double{args.momentum} : 1) * carried});
    } else {
      scale.Element({dw, decay, carried});
    }
  }
  return scale.value();
}

double AdamStep::ErrorScale(const Args& args, int output) {
  const Slab& slab = args.slabs.at(static_cast<std::size_t>(output / 3));
  const double beta1 = args.beta1;
  const double beta2 = args.beta2;
  const AdamCorrection correction = CorrectionAt(args);
  TermScale scale;
  for (std::int64_t i = 0; i < slab.dw.elements(); ++i) {
    const double w = slab.w.As<float>()[i];
    // Magnitudes, so that a gradient cancelled by the decay keeps the error of its terms.
    const double g = std::hypot(slab.dw.As<float>()[i], double{args.weight_decay} * w);
    const double m = slab.m.empty() ? 0 : beta1 * slab.m.As<float>()[i];
    const double v = beta2 * slab.v.As<float>()[i];
    const double first = std::hypot(m, (1 - beta1) * g);
    const double second = v + (1 - beta2) * g * g;
    switch (output % 3) {
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
