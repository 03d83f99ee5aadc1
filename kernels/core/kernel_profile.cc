// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_profile.h"

#include <utility>

namespace nasengine {

std::vector<RecordedWork> RecordWork(Context& context, int times,
                                     const std::function<void(Context&)>& work,
                                     std::function<KernelRecorder::Clock::time_point()> now) {
  KernelRecorder recorder(std::move(now));
  const KernelRegistry registry = context.registry().Profiled(recorder);
  const std::unique_ptr<Context> reporting = context.Sibling(context.allocator(), registry);
  reporting->ReserveWorkspace(context.workspace_bytes());
  std::vector<RecordedWork> recorded;
  for (int i = -1; i < times; ++i) {
    RecordedWork once = recorder.Record([&] { work(*reporting); });
    if (i >= 0) recorded.push_back(std::move(once));
  }
  return recorded;
}

}  // namespace nasengine
