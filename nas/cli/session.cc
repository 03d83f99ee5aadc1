// SPDX-License-Identifier: MIT
#include "nas/cli/session.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "kernels/core/log.h"
#include "kernels/policy/measured_policy.h"
#include "kernels/register/register_kernels.h"
#include "nas/config/machine.h"

namespace nasengine {
namespace {

constexpr std::string_view kCheck = "check";

std::unique_ptr<DeviceBackend> OpenBackend(const std::string& name) {
  const Device device = ParseDevice(name);
  if (device.type != DeviceType::kCpu) {
    Throw(ErrorCode::kUnsupported, "no CUDA backend in this build (asked for ", name,
          "); use --device cpu");
  }
  return MakeCpuBackend();
}

}  // namespace

DType ParseDType(const std::string& text) {
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    if (text == Name(dtype)) return dtype;
  }
  Throw(ErrorCode::kInvalidArgument, "--dtype: found '", text, "', accepted: f32, bf16");
}

std::string DTypeNote(const DeviceBackend& backend, DType dtype) {
  // Every processor with AMX has AVX512-BF16 too.
  const std::vector<std::string> capabilities = backend.capabilities();
  const bool multiplies = std::ranges::find(capabilities, "avx512_bf16") != capabilities.end();
  if (dtype != DType::kBf16 || multiplies) return {};
  return "dtype: bf16 saves memory only here; this processor has neither AVX512-BF16 nor AMX";
}

Session::Session(const SessionOptions& options)
    : backend_(OpenBackend(options.device)),
      allocator_(*backend_),
      registry_(options.kernels == kCheck ? MakeCpuRegistry().Checked() : MakeCpuRegistry()) {
  if (const int cores = AvailableThreads(); options.threads > cores) {
    LogWarning(StrCat("found ", options.threads, " threads for ", cores,
                      cores == 1 ? " core" : " cores", ": they will wait for each other"));
  }
  const bool as_measured = options.kernels.empty() || options.kernels == kCheck;
  context_ = std::make_unique<Context>(
      *backend_, allocator_, registry_,
      as_measured ? MeasuredPolicy(*backend_, registry_) : KernelPolicy::Parse(options.kernels),
      options.threads);
}

}  // namespace nasengine
