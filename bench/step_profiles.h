// Where the time of a search's steps goes, operator by operator: `bench step --profile-step`.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bench/search_step.h"
#include "bench/workbench.h"
#include "nas/report/step_profile.h"
#include "nas/space/search_space.h"

namespace nasengine {

// `repetitions` of each step of `space`, in `dtype`, along its typical path, under the names of the
// rows.
std::vector<RecordedStep> RecordSpace(Workbench& bench, const SearchSpace& space,
                                      std::int64_t batch, std::span<const SearchStep> steps,
                                      DType dtype, int repetitions);

}  // namespace nasengine
