// The architecture steps of a search as its algorithm and its recipe want them: what the loop that
// takes them has to know.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace nasengine {

struct ArchitectureSteps {
  // `count` for every `per_weight_steps` weight steps (0: of an epoch), spread evenly, at most one
  // after a weight step. A count of 0: the algorithm takes none.
  std::int64_t count = 0;
  std::int64_t per_weight_steps = 0;
  std::int64_t images = 0;  // of each
  double alpha_lr = 0;
  std::int64_t paths = 1;  // evaluated in each, one after another
};

}  // namespace nasengine
