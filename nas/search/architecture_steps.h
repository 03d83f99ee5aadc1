// The architecture steps of a search as its algorithm and its recipe want them: what the loop that
// takes them has to know, and what a user can turn to change them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

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

// The keys and flags that an algorithm's architecture steps obey, in the words of advice to people;
// empty for an algorithm that takes none.
struct ArchitectureKnobs {
  std::string_view alpha_lr;     // the key of the alphas' rate
  std::string_view more_steps;   // "a smaller --arch-every"
  std::string_view more_images;  // what makes a step less noisy: "a larger arch_batch"
  std::string_view latency;      // the key of the weight of latency
};

}  // namespace nasengine
