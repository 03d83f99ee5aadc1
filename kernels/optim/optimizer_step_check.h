// Checks of the optimiser steps' arguments and the factors that an Adam step works with.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/optim/optimizer_step.h"

namespace nasengine {

// Throw kInvalidArgument unless all views of a slab have one shape and those of all slabs one type,
// f32 or f64, w_bf16 excepted; Adam: also unless 0 <= beta < 1, step >= 1, and m is in every slab,
// or in none and beta1 is 0.
void CheckArgs(const SgdStep::Args& args);
void CheckArgs(const AdamStep::Args& args);

// 1 / (1 - beta^step), both moments' correction for their start at zero.
struct AdamCorrection {
  double first = 1;
  double second = 1;
};
AdamCorrection CorrectionAt(const AdamStep::Args& args);

// Whether the first moment is kept.
bool HasMean(const AdamStep::Args& args);

}  // namespace nasengine
