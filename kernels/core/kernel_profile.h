// Kernels that note every run, and steps repeated over them: the body of `--profile-step`.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/core/args_views.h"
#include "kernels/core/kernel_recorder.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// The bytes of all views, empty ones left out.
template <class Args>
std::int64_t BytesOf(const Args& args) {
  std::int64_t bytes = 0;
  ForEachView(args, [&bytes](const ConstView& view) { bytes += view.empty() ? 0 : view.bytes(); });
  return bytes;
}

// What ToString says of a member where there is one that it names, such as a geometry, else the
// shape of the first view.
template <class Args>
std::string ShapeOf(const Args& args) {
  std::string shape;
  ForEachMember(args, [&shape](const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (internal::kHasText<Member>) shape = ToString(member);
  });
  ForEachView(args, [&shape](const ConstView& view) {
    if (shape.empty()) shape = ToString(view.shape);
  });
  return shape;
}

template <class Op>
std::unique_ptr<KernelRegistry::TableBase> KernelRegistry::Table<Op>::Profiled(
    KernelRecorder& recorder) const {
  auto table = std::make_unique<Table<Op>>();
  for (KernelEntry<Op> entry : entries) {
    entry.run = [run = entry.run, name = entry.name, &recorder](Context& context,
                                                                const typename Op::Args& args) {
      recorder.Note(
          [&] {
            run(context, args);
            context.backend().Synchronize();
          },
          [&] {
            return KernelRun{.op = Op::kName,
                             .implementation = name,
                             .shape = ShapeOf(args),
                             .bytes = BytesOf(args)};
          });
    };
    table->entries.push_back(std::move(entry));
  }
  return table;
}

// Does `work`, which must do the same every time, `times` times on a sibling of `context` whose
// kernels report, after one time that does not count. `context` itself is left as it was, and runs
// as fast as ever.
std::vector<RecordedWork> RecordWork(
    Context& context, int times, const std::function<void(Context&)>& work,
    std::function<KernelRecorder::Clock::time_point()> now = KernelRecorder::Clock::now);

}  // namespace nasengine
