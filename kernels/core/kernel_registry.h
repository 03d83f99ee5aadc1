// The table of kernels: for every operator its implementations, and the choice among them.
//
// An operator is a tag type:
//   struct DepthwiseConvForward {
//     static constexpr const char* kName = "depthwise_conv_forward";
//     struct Args { ... views, geometry ... };
//     // The views that a kernel writes, for whoever compares implementations.
//     static std::vector<View*> Outputs(Args& args);
//     // Per output: sqrt(K) times the RMS of the K terms that sum to an element, the unit in which
//     // rounding differences between implementations are measured.
//     static double ErrorScale(const Args& args, int output);
//     // Only where several fast implementations compete: what their speed depends on, by which
//     // the kernel policy chooses among them.
//     static KernelShape ShapeOf(const Args& args);
//   };
// An operator made of others measures all outputs at once, by ErrorScales(Context&, const Args&).
// Kernels overwrite their outputs (unless Args says accumulate), never allocate but scratch from
// the Context, never synchronise. Registering is a function call; the registry is an object that
// the program owns. Nothing falls back to another device.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/error.h"

namespace nasengine {

class KernelRecorder;

template <class Op>
struct KernelEntry {
  using Args = typename Op::Args;

  Impl impl;
  std::string name;  // e.g. "onednn", "highway"
  DeviceType device = DeviceType::kCpu;
  // Empty when the kernel can run these arguments, else why it cannot. Absent: always supported.
  std::function<std::string(Context&, const Args&)> declines;
  // Scratch that `run` asks of the context; creates whatever `run` needs prepared. Absent: none.
  std::function<std::size_t(Context&, const Args&)> workspace_bytes;
  std::function<void(Context&, const Args&)> run;
};

template <class Op>
concept HasShape = requires(const typename Op::Args& args) {
  { Op::ShapeOf(args) } -> std::same_as<KernelShape>;
};

// What the context's policy says about these arguments; one and the same for all arguments of an
// operator without ShapeOf.
template <class Op>
KernelChoice& ChoiceFor(Context& context, const typename Op::Args& args) {
  KernelShape shape;
  if constexpr (HasShape<Op>) shape = Op::ShapeOf(args);
  return context.State<KernelChoices>().Get(context.policy(), context.threads(),
                                            {Op::kName, shape});
}

class KernelRegistry {
 public:
  // Throws kInvalidArgument if (op, device, name) is there already.
  template <class Op>
  void Register(KernelEntry<Op> entry) {
    std::vector<KernelEntry<Op>>& entries = TableFor<Op>().entries;
    for (const KernelEntry<Op>& other : entries) {
      NAS_CHECK(other.device != entry.device || other.name != entry.name, "registry: ", Op::kName,
                " has an implementation named ", entry.name, " already");
    }
    entries.push_back(std::move(entry));
  }

  // Every implementation of Op on every device.
  template <class Op>
  const std::vector<KernelEntry<Op>>& Entries() const {
    const auto found = tables_.find(Op::kName);
    NAS_CHECK(found != tables_.end(), "registry: no implementation of ", Op::kName);
    return static_cast<const Table<Op>&>(*found->second).entries;
  }

  // The first of them that is `impl`. Throws kUnsupported where there is none.
  template <class Op>
  const KernelEntry<Op>& Entry(Impl impl) const {
    for (const KernelEntry<Op>& entry : Entries<Op>()) {
      if (entry.impl == impl) return entry;
    }
    Throw(ErrorCode::kUnsupported, Op::kName, ": has no ", Name(impl), " implementation");
  }

  // Whether an operator of this name has such an implementation, on any device.
  bool Has(std::string_view op, Impl impl) const;

  // The first entry in the policy's order that runs on the context's device and supports `args`.
  // Throws kUnsupported naming what exists and why each declined.
  template <class Op>
  const KernelEntry<Op>& Select(Context& context, const typename Op::Args& args) const {
    const std::vector<KernelEntry<Op>>& entries = Entries<Op>();
    KernelChoice& choice = ChoiceFor<Op>(context, args);
    for (Impl impl : choice.order) {
      for (const KernelEntry<Op>& entry : entries) {
        if (entry.impl != impl || entry.device != context.device().type) continue;
        if (entry.declines && !entry.declines(context, args).empty()) continue;
        choice.served = impl;
        return entry;
      }
    }
    std::string reasons;
    for (const KernelEntry<Op>& entry : entries) {
      const bool here = entry.device == context.device().type;
      const std::string why = !here            ? "is for another device"
                              : entry.declines ? entry.declines(context, args)
                                               : "";
      reasons += StrCat("; ", entry.name, why.empty() ? " is left out by the policy" : ": ", why);
    }
    Throw(ErrorCode::kUnsupported, Op::kName, ": no implementation takes these arguments", reasons);
  }

  // The same entries, each asking only for its workspace and preparing its primitives, computing
  // nothing: what a step would need, without running it.
  KernelRegistry WithoutExecution() const;
  // The same entries, each followed by the reference on the same inputs; a difference beyond
  // tolerance throws, naming operator, implementation, element and both values.
  KernelRegistry Checked() const;
  // The same entries, each telling `recorder`, which must outlive the result, of every run.
  KernelRegistry Profiled(KernelRecorder& recorder) const;

 private:
  struct TableBase {
    virtual ~TableBase() = default;
    virtual bool Has(Impl impl) const = 0;
    virtual std::unique_ptr<TableBase> WithoutExecution() const = 0;
    virtual std::unique_ptr<TableBase> Checked() const = 0;
    virtual std::unique_ptr<TableBase> Profiled(KernelRecorder& recorder) const = 0;
  };
  template <class Op>
  struct Table final : TableBase {
    std::vector<KernelEntry<Op>> entries;
    bool Has(Impl impl) const override {
      return std::ranges::any_of(entries, [&](const auto& entry) { return entry.impl == impl; });
    }
    std::unique_ptr<TableBase> WithoutExecution() const override;
    std::unique_ptr<TableBase> Checked() const override;
    std::unique_ptr<TableBase> Profiled(KernelRecorder& recorder) const override;
  };

  template <class Op>
  Table<Op>& TableFor() {
    std::unique_ptr<TableBase>& slot = tables_[Op::kName];
    if (slot == nullptr) slot = std::make_unique<Table<Op>>();
    return static_cast<Table<Op>&>(*slot);
  }

  std::map<std::string_view, std::unique_ptr<TableBase>> tables_;
};

// Chooses an implementation of Op for `args` and runs it.
template <class Op>
void Dispatch(Context& context, const typename Op::Args& args) {
  context.registry().template Select<Op>(context, args).run(context, args);
}

}  // namespace nasengine

// The bodies of Table<Op>.
#include "kernels/core/kernel_check.h"
#include "kernels/core/kernel_profile.h"
