// SPDX-License-Identifier: MIT
#include "kernels/core/onednn_check.h"

namespace nasengine {
namespace {

constexpr std::size_t kAlignment = 64;

void AppendActivation(dnnl::post_ops& ops, Activation activation) {
  const bool clip = activation == Activation::kRelu6;
  const auto algorithm = clip ? dnnl::algorithm::eltwise_clip : dnnl::algorithm::eltwise_relu;
  const float alpha = 0;                  // the floor of clip, the slope below 0 of ReLU
  const float beta = clip ? 6.0f : 0.0f;  // the ceiling of clip
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(algorithm, alpha, beta);
#else
  ops.append_eltwise(1.0f, algorithm, alpha, beta);
#endif
}

}  // namespace

dnnl::memory::data_type OnednnType(DType dtype) {
  return dtype == DType::kBf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

dnnl::memory::desc OnednnDense(const dnnl::memory::dims& sizes, DType dtype) {
  dnnl::memory::dims strides(sizes.size(), 1);
  for (std::size_t i = sizes.size(); i-- > 1;) strides[i - 1] = strides[i] * sizes[i];
  return OnednnStrided(sizes, strides, dtype);
}

dnnl::memory::desc OnednnStrided(const dnnl::memory::dims& sizes, const dnnl::memory::dims& strides,
                                 DType dtype) {
  return dnnl::memory::desc(sizes, OnednnType(dtype), strides);
}

dnnl::memory::desc OnednnAny(const dnnl::memory::dims& sizes, DType dtype) {
  return dnnl::memory::desc(sizes, OnednnType(dtype), dnnl::memory::format_tag::any);
}

dnnl::memory::desc OnednnImage(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w,
                               DType dtype) {
  return dnnl::memory::desc({n, c, h, w}, OnednnType(dtype), dnnl::memory::format_tag::nhwc);
}

dnnl::primitive_attr OnednnAttributes(Activation activation) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (activation != Activation::kNone) {
    dnnl::post_ops ops;
    AppendActivation(ops, activation);
    attributes.set_post_ops(ops);
  }
  return attributes;
}

bool OnednnImplementationIsSlow(const std::string& implementation, bool depthwise) {
  if (implementation.starts_with("ref")) return true;
  return depthwise && implementation.find("brgconv_strided") != std::string::npos;
}

OnednnPlan::Slot OnednnPlan::AddTensor(const dnnl::memory::desc& desc) {
  memories_.push_back({.memory = dnnl::memory(desc, engine_, DNNL_MEMORY_NONE)});
  return static_cast<Slot>(memories_.size()) - 1;
}

OnednnPlan::Slot OnednnPlan::AddScratch(const dnnl::memory::desc& desc) {
  memories_.push_back({.memory = dnnl::memory(desc, engine_, DNNL_MEMORY_NONE),
                       .workspace_offset = workspace_bytes_,
                       .is_scratch = true});
  workspace_bytes_ += (desc.get_size() + kAlignment - 1) / kAlignment * kAlignment;
  return static_cast<Slot>(memories_.size()) - 1;
}

void OnednnPlan::AddStep(dnnl::primitive primitive, const dnnl::memory::desc& scratchpad,
                         std::initializer_list<std::pair<int, Slot>> args) {
  Step step{.primitive = std::move(primitive), .args = {}};
  for (const auto& [argument, slot] : args) {
    if (slot == kNoSlot) continue;
    step.args.push_back({.arg = argument, .memory = MemoryOf(slot).get()});
  }
  if (scratchpad.get_size() > 0) {
    const Slot slot = AddScratch(scratchpad);
    step.args.push_back({.arg = DNNL_ARG_SCRATCHPAD, .memory = MemoryOf(slot).get()});
  }
  steps_.push_back(std::move(step));
}

void OnednnPlan::AddReorder(Slot from, Slot to, bool accumulate) {
  dnnl::primitive_attr attributes = OnednnAttributes();
  if (accumulate) {
    dnnl::post_ops ops;
    ops.append_sum(1.0f);
    attributes.set_post_ops(ops);
  }
  const dnnl::reorder::primitive_desc descriptor(engine_, MemoryOf(from).get_desc(), engine_,
                                                 MemoryOf(to).get_desc(), attributes);
  AddStep<dnnl::reorder>(descriptor, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
}

OnednnPlan::Slot OnednnPlan::AddReordered(Slot tensor, const dnnl::memory::desc& wanted) {
  if (MemoryOf(tensor).get_desc() == wanted) return tensor;
  const Slot reordered = AddScratch(wanted);
  AddReorder(tensor, reordered);
  return reordered;
}

OnednnPlan::Slot OnednnPlan::AddResult(Slot tensor, const dnnl::memory::desc& produced,
                                       bool accumulate) {
  if (!accumulate && MemoryOf(tensor).get_desc() == produced) return tensor;
  return AddScratch(produced);
}

void OnednnPlan::Bind(Context& context, std::initializer_list<const void*> tensors) {
  if (!declined_.empty()) Throw(ErrorCode::kUnsupported, declined_);
  auto* workspace = static_cast<std::byte*>(context.Workspace(workspace_bytes_));
  const void* const* tensor = tensors.begin();
  for (Memory& memory : memories_) {
    // oneDNN's memory objects are not const-correct; the arguments of a step say what is written.
    void* data =
        memory.is_scratch ? workspace + memory.workspace_offset : const_cast<void*>(*tensor++);
    if (data == memory.bound) continue;
    NAS_ONEDNN_CHECK(dnnl_memory_set_data_handle(memory.memory.get(), data), "memory");
    memory.bound = data;
  }
  NAS_DCHECK(tensor == tensors.end());
}

void OnednnPlan::Execute() {
  for (const Step& step : steps_) {
    NAS_ONEDNN_CHECK(dnnl_primitive_execute(step.primitive.get(), stream_.get(),
                                            static_cast<int>(step.args.size()), step.args.data()),
                     "primitive");
  }
}

float* OnednnPlan::ScratchData(Slot slot) const {
  return static_cast<float*>(memories_[static_cast<std::size_t>(slot)].bound);
}

std::size_t OnednnCache::Hash::operator()(const Key& key) const {
  constexpr std::uint64_t kMultiplier = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
  auto hash = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(key.op));
  for (std::int64_t number : key.numbers) {
    hash = (hash ^ static_cast<std::uint64_t>(number)) * kMultiplier;
    hash ^= hash >> 32;
  }
  return hash;
}

std::string OnednnLimits(std::initializer_list<ConstView> views) {
  for (const ConstView& view : views) {
    const bool takes = view.dtype == DType::kF32 || view.dtype == DType::kBf16;
    if (!takes) return StrCat("found ", Name(view.dtype), ", takes f32 and bf16");
    if (view.elements() == 0) return "the batch is empty";
  }
  return {};
}

}  // namespace nasengine
