// SPDX-License-Identifier: MIT
#include "kernels/policy/measured_policy.h"

#include <algorithm>
#include <utility>

#include "kernels/core/kernel_policy_file.h"

namespace nasengine {

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
  return ChoosePolicy(backend.capabilities(), MeasuredPolicies(), registry);
}

}  // namespace nasengine
