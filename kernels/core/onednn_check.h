// The one thin wrapper around oneDNN: what differs between 2.6 and 3.x, the translation of its
// errors, and plans - primitives with their memory, made once per geometry and run many times.
// Included by *_onednn.cc alone, because dnnl.hpp is heavy.
//
// A run binds the caller's pointers to the plan's memory objects and executes; it creates nothing,
// and with OpenMP it has computed when it returns.
// Scratch memory always comes from the context (scratchpad_mode::user).
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <initializer_list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/core/activation.h"
#include "kernels/core/context.h"
#include "kernels/core/error.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// Evaluates `call`, a dnnl_status_t; throws Error{kDevice} naming `what` unless it is a success.
#define NAS_ONEDNN_CHECK(call, what)                                                         \
  do {                                                                                       \
    const dnnl_status_t nas_status = (call);                                                 \
    if (nas_status != dnnl_success) [[unlikely]]                                             \
      ::nasengine::Throw(::nasengine::ErrorCode::kDevice, what, ": oneDNN returned status ", \
                         static_cast<int>(nas_status));                                      \
  } while (false)

// f32 or bf16.
dnnl::memory::data_type OnednnType(DType dtype);
// Memory of these sizes, row-major, or with the given strides in elements.
dnnl::memory::desc OnednnDense(const dnnl::memory::dims& sizes, DType dtype = DType::kF32);
dnnl::memory::desc OnednnStrided(const dnnl::memory::dims& sizes, const dnnl::memory::dims& strides,
                                 DType dtype = DType::kF32);
// Memory whose layout is the primitive's choice.
dnnl::memory::desc OnednnAny(const dnnl::memory::dims& sizes, DType dtype = DType::kF32);
// An NHWC image, in oneDNN's order of sizes (n, c, h, w).
dnnl::memory::desc OnednnImage(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w,
                               DType dtype = DType::kF32);

// User scratchpad, and the activation after the operation. oneDNN's ReLU and clip turn a NaN into
// 0.
dnnl::primitive_attr OnednnAttributes(Activation activation = Activation::kNone);

// A primitive descriptor from the arguments of its operation, in the order that 2.6 and 3.x share.
template <class Primitive, class... Args>
typename Primitive::primitive_desc OnednnDescribe(const dnnl::engine& engine,
                                                  const dnnl::primitive_attr& attributes,
                                                  const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, args..., attributes);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attributes, engine);
#endif
}

// The same for backward operations, which take the forward one as a hint.
template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc OnednnDescribeBackward(const dnnl::engine& engine,
                                                          const Hint& hint, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, args..., hint, OnednnAttributes());
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), OnednnAttributes(),
                                            engine, hint);
#endif
}

// Whether `implementation` is one that must not run: oneDNN's plain reference loops, and (in 3.x)
// brgconv_strided for depthwise, which is tens of times slower than what follows it in the list.
bool OnednnImplementationIsSlow(const std::string& implementation, bool depthwise);

// Steps `descriptor` past slow implementations. Throws dnnl::error (unimplemented) if none is left.
template <class PrimitiveDesc>
PrimitiveDesc OnednnGuard(PrimitiveDesc descriptor, bool depthwise = false) {
  while (OnednnImplementationIsSlow(descriptor.impl_info_str(), depthwise)) {
    if (!descriptor.next_impl()) {
      throw dnnl::error(dnnl_unimplemented, "only a reference loop is left");
    }
  }
  return descriptor;
}

// What `describe(type)` gives for tensors of `dtype`: in bf16 where they are that and oneDNN has a
// fast primitive for it here, else in f32, between which and the tensors a plan reorders.
template <class Describe>
auto OnednnDescribeIn(DType dtype, const Describe& describe) {
  if (dtype == DType::kBf16) {
    try {
      return describe(DType::kBf16);
    } catch (const dnnl::error&) {  // the processor has no bf16, or only a reference loop is left
    }
  }
  return describe(DType::kF32);
}

// Primitives in order, with the memory they work on: tensors of the caller and scratch at fixed
// offsets of the context's workspace.
class OnednnPlan {
 public:
  explicit OnednnPlan(const dnnl::engine& engine, const dnnl::stream& stream)
      : engine_(engine), stream_(stream) {}
  OnednnPlan(const OnednnPlan&) = delete;
  OnednnPlan& operator=(const OnednnPlan&) = delete;

  using Slot = int;
  static constexpr Slot kNoSlot = -1;  // as an argument of a step: not given
  const dnnl::engine& engine() const { return engine_; }

  // Building. The caller's tensors are bound in the order in which they are declared.
  Slot AddTensor(const dnnl::memory::desc& desc);
  Slot AddScratch(const dnnl::memory::desc& desc);
  // Runs `descriptor`'s primitive on {DNNL_ARG_..., slot} pairs; adds its scratchpad itself.
  template <class Primitive>
  void AddStep(const typename Primitive::primitive_desc& descriptor,
               std::initializer_list<std::pair<int, Slot>> args) {
    AddStep(Primitive(descriptor), descriptor.scratchpad_desc(), args);
  }
  // `to` = `from` in to's layout and type, or `to` += `from`.
  void AddReorder(Slot from, Slot to, bool accumulate = false);
  // `tensor` itself if it already has the layout and type `wanted`, else scratch that a reorder
  // fills.
  Slot AddReordered(Slot tensor, const dnnl::memory::desc& wanted);
  // `tensor` itself if the result has its layout and type and replaces it, else scratch to be given
  // to StoreResult after the step that fills it.
  Slot AddResult(Slot tensor, const dnnl::memory::desc& produced, bool accumulate = false);
  void StoreResult(Slot result, Slot tensor, bool accumulate = false) {
    if (result != tensor) AddReorder(result, tensor, accumulate);
  }

  // Why the operation cannot run; empty when it can.
  const std::string& declined() const { return declined_; }
  void set_declined(std::string reason) { declined_ = std::move(reason); }
  // Workspace that a run needs.
  std::size_t workspace_bytes() const { return workspace_bytes_; }

  // Bind points the memory at the caller's `tensors` and the context's workspace; Execute runs
  // every step; ScratchData is where a scratch slot lies after Bind. Throws kUnsupported if
  // declined.
  void Bind(Context& context, std::initializer_list<const void*> tensors);
  void Execute();
  float* ScratchData(Slot slot) const;
  void Run(Context& context, std::initializer_list<const void*> tensors) {
    Bind(context, tensors);
    Execute();
  }

 private:
  struct Memory {
    dnnl::memory memory;
    void* bound = nullptr;
    std::size_t workspace_offset = 0;
    bool is_scratch = false;
  };
  struct Step {
    dnnl::primitive primitive;
    std::vector<dnnl_exec_arg_t> args;
  };

  void AddStep(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
               std::initializer_list<std::pair<int, Slot>> args);
  const dnnl::memory& MemoryOf(Slot slot) const {
    return memories_[static_cast<std::size_t>(slot)].memory;
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Memory> memories_;
  std::vector<Step> steps_;
  std::string declined_;
  std::size_t workspace_bytes_ = 0;
};

// Every plan of a context and its siblings: `context.State<OnednnCache>()`.
class OnednnCache {
 public:
  // Everything that the primitives were made from; unused numbers are zero.
  using Numbers = std::array<std::int64_t, 12>;

  OnednnCache() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  // The plan of Op for `numbers`; on first use made by `build(OnednnPlan&)`. What oneDNN cannot do
  // becomes the plan's declined().
  template <class Op, class Build>
  OnednnPlan& Get(const Numbers& numbers, const Build& build) {
    const Key key{&kTag<Op>, numbers};
    std::unique_ptr<OnednnPlan>& plan = plans_[key];
    if (plan != nullptr) [[likely]]
      return *plan;
    plan = std::make_unique<OnednnPlan>(engine_, stream_);
    try {
      build(*plan);
    } catch (const dnnl::error& error) {
      plan->set_declined(StrCat("oneDNN: ", error.message));
    }
    return *plan;
  }

 private:
  template <class Op>
  static constexpr char kTag = 0;  // its address tells operators apart

  struct Key {
    const char* op;
    Numbers numbers;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };

  dnnl::engine engine_;
  dnnl::stream stream_;
  std::unordered_map<Key, std::unique_ptr<OnednnPlan>, Hash> plans_;
};

// Why these views are not for oneDNN here: it takes f32 and bf16, and at least one element of each.
std::string OnednnLimits(std::initializer_list<ConstView> views);

// Registers a kernel named "onednn": `limits` says what its plan would not notice (empty: nothing),
// `plan` gets or makes the plan for the arguments, `run` computes.
template <class Op>
struct OnednnKernel {
  using Args = typename Op::Args;
  std::string (*limits)(const Args&);
  OnednnPlan& (*plan)(Context&, const Args&);
  void (*run)(Context&, const Args&);

  void Register(KernelRegistry& registry) const {
    KernelEntry<Op> entry;
    entry.impl = Impl::kVendor;
    entry.name = "onednn";
    entry.declines = [limits = limits, plan = plan](Context& context, const Args& args) {
      std::string reason = limits(args);
      return reason.empty() ? plan(context, args).declined() : reason;
    };
    entry.workspace_bytes = [plan = plan](Context& context, const Args& args) {
      return plan(context, args).workspace_bytes();
    };
    entry.run = run;
    registry.Register(std::move(entry));
  }
};

}  // namespace nasengine
