// SPDX-License-Identifier: MIT
#include "bench/step_profiles.h"

#include "bench/supernet_steps.h"
#include "kernels/core/kernel_profile.h"

namespace nasengine {

std::vector<RecordedStep> RecordSpace(Workbench& bench, const SearchSpace& space,
                                      std::int64_t batch, std::span<const SearchStep> steps,
                                      DType dtype, int repetitions) {
  std::vector<PlannedStep> kinds;
  for (const SearchStep& step : steps) kinds.push_back(step.planned);
  SupernetSteps prepared(bench, space, batch, kinds, dtype);
  prepared.TakeTypicalPath();
  std::vector<RecordedStep> recorded;
  for (const SearchStep& step : steps) {
    recorded.push_back(
        {.name = StrCat(space.name, " ", NameOf(step)),
         .repetitions = RecordWork(bench.context(), repetitions, [&](Context& reporting) {
           prepared.Run(reporting, step.planned);
         })});
  }
  return recorded;
}

}  // namespace nasengine
