// How the weights of a layer start.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "nas/space/recipe.h"

namespace nasengine {

struct WeightStart {
  WeightInit init = WeightInit::kFanOut;
  // The name under which the candidates of a block draw the same numbers, e.g. "block3/"; empty:
  // each layer draws under its own. Where it is not empty, the last scale of a layer with a
  // residual starts at 0, as proposed for residual networks by Goyal et al., arXiv:1706.02677,
  // section 5.1.
  std::string aligned_as{};
};

}  // namespace nasengine
