// SPDX-License-Identifier: MIT
#include "kernels/policy/measured_policy.h"

#include <algorithm>
#include <utility>

#include "kernels/conv/conv2d.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/core/kernel_policy_file.h"
#include "kernels/linear/linear.h"

namespace nasengine {
namespace {

// Dense products: cuBLASLt's ran at 78 to 88 % of what memory allows on an H200, ours have been
// timed on no card.
constexpr const char* kVendorsOnCards[] = {Conv2dForward::kName,
                                           Conv2dBackwardData::kName,
                                           Conv2dBackwardWeights::kName,
                                           PointwiseConvForward::kName,
                                           PointwiseConvBackwardData::kName,
                                           PointwiseConvBackwardWeights::kName,
                                           LinearForward::kName,
                                           LinearBackwardData::kName,
                                           LinearBackwardWeights::kName};

}  // namespace

KernelPolicy ChoosePolicy(std::span<const std::string> capabilities,
                          std::span<const BuiltinFile> files, const KernelRegistry& registry) {
  for (const std::string& capability : capabilities) {
    const auto file = std::ranges::find(files, capability, &BuiltinFile::name);
    if (file == files.end()) continue;
    const std::string origin = capability + ".txt";
    KernelPolicyTable table = ParseKernelPolicy(file->text, origin, registry);
    NAS_CHECK(table.capability == capability, origin, ": found capability ", table.capability,
              ", expected ", capability);
    return KernelPolicy(std::move(table));
  }
  return {};
}

KernelPolicy MeasuredPolicy(const DeviceBackend& backend, const KernelRegistry& registry) {
  KernelPolicy policy = ChoosePolicy(backend.capabilities(), MeasuredPolicies(), registry);
  if (backend.device().type == DeviceType::kCuda && policy.table() == nullptr) {
    for (const char* op : kVendorsOnCards) policy.SetOrder(op, {Impl::kVendor});
  }
  return policy;
}

}  // namespace nasengine
