// Kernels that note every run, and steps repeated over them: the body of `--profile-step`.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/core/args_members.h"
#include "kernels/core/kernel_recorder.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"

namespace nasengine {

namespace internal {

template <class Member>
inline constexpr bool kIsView = std::is_convertible_v<const Member&, ConstView>;
template <class Member>
inline constexpr bool kHasName = requires(const Member& member) {
  ToString(member);
};

}  // namespace internal

// Calls visit(view) for every view of an operator's Args, those of structs within it included.
template <class Args, class Visit>
void ForEachView(const Args& args, const Visit& visit) {
  ForEachMember(args, [&visit](const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (internal::kIsView<Member>) {
      visit(ConstView(member));
    } else if constexpr (std::is_aggregate_v<Member> && !internal::kHasName<Member>) {
      ForEachView(member, visit);
    }
  });
}

// The bytes of all views, empty ones left out.
template <class Args>
std::int64_t BytesOf(const Args& args) {
  std::int64_t bytes = 0;
  ForEachView(args, [&bytes](ConstView view) { bytes += view.empty() ? 0 : view.bytes(); });
  return bytes;
}

// The geometry where the operator has one, which is a member that ToString names, else the shape of
// its first view.
template <class Args>
std::string ShapeOf(const Args& args) {
  std::string shape;
  ForEachMember(args, [&shape](const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (internal::kHasName<Member>) shape = ToString(member);
  });
  ForEachView(args, [&shape](ConstView view) {
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
