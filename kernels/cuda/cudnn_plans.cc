// SPDX-License-Identifier: MIT
#include "kernels/cuda/cudnn_plans.h"

#include <algorithm>
#include <optional>
#include <span>
#include <utility>

#include "kernels/core/error.h"
#include "kernels/core/log.h"
#include "kernels/cuda/cuda_vendor_handles.h"

namespace nasengine::cuda {
namespace {

// Everything that a kept plan depends on.
std::string FileKey(const Context& context, const CudnnConvolution& convolution, int timed) {
  const DeviceBackend& backend = context.backend();
  std::string capability;
  for (const std::string& word : backend.capabilities()) capability += word + " ";
  return StrCat("cudnn ", cudnnGetVersion(), " | ", backend.name(), " | ", capability, "| ",
                ToString(convolution), " | ", ToString(EngineFilter{}), " | best of ", timed);
}

void Submit(cudnnHandle_t handle, const CudnnPlan& plan, const CudnnDescriptor& pack) {
  NAS_CUDNN_CHECK(cudnnBackendExecute(handle, plan.plan.get(), pack.get()));
}

CudnnDescriptor Pack(const std::array<void*, 4>& pointers) {
  static constexpr std::array<std::int64_t, 3> kIds = {kIdX, kIdW, kIdY};
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.Set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(kIds));
  pack.SetPointers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span(pointers).first(3));
  pack.SetPointers(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span(pointers).last(1));
  pack.Finalize("cuDNN: pointers");
  return pack;
}

std::size_t RoundedUp(std::int64_t elements, DType dtype) {
  constexpr std::int64_t kAlignment = 256;
  return static_cast<std::size_t>((elements * SizeOf(dtype) + kAlignment - 1) / kAlignment *
                                  kAlignment);
}

// The index of the fastest, or 0 where the device has no memory left to try them in.
std::size_t FastestPlan(Context& context, cudnnHandle_t handle, const CudnnConvolution& c,
                        const std::vector<CudnnPlan>& plans) {
  const ConvGeometry& g = c.geometry;
  std::int64_t workspace = 0;
  for (const CudnnPlan& plan : plans) workspace = std::max(workspace, plan.workspace_bytes);
  const std::size_t x = RoundedUp(g.n * g.h * g.w * g.c_in, c.images);
  const std::size_t w = RoundedUp(g.c_out * g.kernel * g.kernel * (g.c_in / c.groups), c.weights);
  const std::size_t y = RoundedUp(g.n * c.out_h * c.out_w * g.c_out, c.images);
  const TimingMemory memory(context, x + w + y + static_cast<std::size_t>(workspace));
  if (memory.data() == nullptr) return 0;
  auto* base = static_cast<std::byte*>(memory.data());
  const CudnnDescriptor pack = Pack({base, base + x, base + x + w, base + x + w + y});
  return static_cast<std::size_t>(Fastest(context, static_cast<int>(plans.size()), [&](int i) {
    Submit(handle, plans[static_cast<std::size_t>(i)], pack);
  }));
}

std::optional<CudnnPlan> FromFile(const PlanFiles& files, const std::string& key,
                                  const CudnnTarget& target) {
  const std::optional<std::string> json = files.Load(key);
  if (!json) return std::nullopt;
  try {
    return LoadPlan(target, *json);
  } catch (const Error& error) {
    LogWarning(StrCat(files.Path(key), ": is made anew: ", error.what()));
    return std::nullopt;
  }
}

}  // namespace

void PreparedConvolution::Run(const ConvTensors& tensors, void* workspace) {
  if (!declined_.empty()) Throw(ErrorCode::kUnsupported, declined_);
  // cuDNN's pointers are to what may be written, whichever of them is.
  const std::array<void*, 4> pointers = {const_cast<void*>(tensors.x), const_cast<void*>(tensors.w),
                                         const_cast<void*>(tensors.y), workspace};
  if (!pack_.defined() || pointers != bound_) {
    pack_ = Pack(pointers);
    bound_ = pointers;
  }
  Submit(handle_.get(), plan_, pack_);
}

PreparedConvolution& CudnnPlans::Get(Context& context, const CudnnConvolution& c) {
  const ConvGeometry& g = c.geometry;
  const Numbers numbers = {static_cast<std::int64_t>(c.direction),
                           static_cast<std::int64_t>(c.images),
                           static_cast<std::int64_t>(c.weights),
                           c.groups,
                           c.alignment,
                           g.n,
                           g.h,
                           g.w,
                           g.c_in,
                           g.c_out,
                           g.kernel,
                           g.stride,
                           g.pad};
  std::unique_ptr<PreparedConvolution>& slot = prepared_[numbers];
  if (slot == nullptr) {
    auto prepared = std::make_unique<PreparedConvolution>();
    Prepare(context, c, *prepared);
    slot = std::move(prepared);
  }
  return *slot;
}

void CudnnPlans::Prepare(Context& context, const CudnnConvolution& convolution,
                         PreparedConvolution& prepared) {
  auto& handles = context.State<VendorHandles>();
  prepared.handle_ = handles.Cudnn(context);
  const CudnnTarget target{.handle = prepared.handle_.get()};
  const std::string key = FileKey(context, convolution, handles.timed_plans());
  if (std::optional<CudnnPlan> kept = FromFile(files_, key, target)) {
    prepared.plan_ = std::move(*kept);
    return;
  }
  PlanSearch search;
  search.most = static_cast<std::size_t>(handles.timed_plans());
  if (search.most > 1) search.modes.insert(search.modes.begin() + 1, CUDNN_HEUR_MODE_B);
  PlansFound found;
  try {
    found = FindPlans(convolution, target, search);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    prepared.declined_ = error.what();
    return;
  }
  if (found.plans.empty()) {
    prepared.declined_ = StrCat("cuDNN has no plan for ", ToString(convolution), ": ",
                                found.refused.empty() ? "it knows no engine" : found.refused);
    return;
  }
  const std::size_t chosen = found.plans.size() == 1 ? 0
                                                     : FastestPlan(context, prepared.handle_.get(),
                                                                   convolution, found.plans);
  prepared.plan_ = std::move(found.plans[chosen]);
  files_.Store(key, PlanJson(prepared.plan_));
}

}  // namespace nasengine::cuda
