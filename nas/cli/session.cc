// SPDX-License-Identifier: MIT
#include "nas/cli/session.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "kernels/core/device_plugin.h"
#include "kernels/core/log.h"
#include "kernels/policy/measured_policy.h"
#include "kernels/register/register_kernels.h"
#include "nas/config/machine.h"

namespace nasengine {
namespace {

constexpr std::string_view kCheck = "check";
// Until bench/results has what bench/card/run_on_card said on one.
constexpr const char* kNeverOnACard =
    "the CUDA backend has not run on a card yet: its kernels are proven in emulation, its vendor "
    "calls are compiled only (kernels/cuda/README.md); --kernels check compares every result";

}  // namespace

DType ParseDType(const std::string& text) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    if (text == Name(dtype)) return dtype;
  }
  Throw(ErrorCode::kInvalidArgument, "--dtype: found '", text, "', accepted: f32, bf16");
}

std::string DTypeNote(const DeviceBackend& backend, DType dtype) {
  if (backend.device().type != DeviceType::kCpu) return {};
  // Every processor with AMX has AVX512-BF16 too.
  const std::vector<std::string> capabilities = backend.capabilities();
  const bool multiplies = std::ranges::find(capabilities, "avx512_bf16") != capabilities.end();
  if (dtype != DType::kBf16 || multiplies) return {};
  return "dtype: bf16 saves memory only here; this processor has neither AVX512-BF16 nor AMX";
}

void RequireDevice(const std::string& name) {
  KernelRegistry unused;
  OpenDevice(ParseDevice(name), unused);
}

Session::Session(const SessionOptions& options)
    : registry_(MakeCpuRegistry()),
      backend_(OpenDevice(ParseDevice(options.device), registry_)),
      allocator_(*backend_),
      uploads_(backend_->MakeUploadQueue()) {
  if (options.kernels == kCheck) registry_ = registry_.Checked();
  if (uploads_ != nullptr) {
    host_backend_ = MakeCpuBackend();
    host_allocator_ = std::make_unique<CachingAllocator>(*host_backend_);
  }
  if (const int cores = AvailableThreads(); options.threads > cores) {
    LogWarning(StrCat("found ", options.threads, " threads for ", cores,
                      cores == 1 ? " core" : " cores", ": they will wait for each other"));
  }
  if (backend_->device().type == DeviceType::kCuda) LogWarning(kNeverOnACard);
  const bool as_measured = options.kernels.empty() || options.kernels == kCheck;
  context_ = std::make_unique<Context>(
      *backend_, allocator_, registry_,
      as_measured ? MeasuredPolicy(*backend_, registry_) : KernelPolicy::Parse(options.kernels),
      options.threads);
}

std::int64_t Session::memory_budget() const {
  if (backend_->device().type == DeviceType::kCpu) return DefaultMemoryBudget();
  constexpr double kShare = 0.9;  // the vendor's libraries want some for themselves
  return static_cast<std::int64_t>(kShare * static_cast<double>(backend_->free_bytes()));
}

}  // namespace nasengine
