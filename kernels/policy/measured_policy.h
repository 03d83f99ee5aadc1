// The kernel policies measured on real machines, embedded in the program, and the one that fits
// where it runs.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>

#include "kernels/core/builtin_file.h"
#include "kernels/core/kernel_policy.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {

// The files of this folder, each named after its capability.
std::span<const BuiltinFile> MeasuredPolicies();

// The policy of the first of `capabilities`, which come best first, that has a file; without any
// the order ours, vendor, reference. Throws what ParseKernelPolicy throws, and kInvalidArgument
// where a file was measured on another capability than its name says.
KernelPolicy ChoosePolicy(std::span<const std::string> capabilities,
                          std::span<const BuiltinFile> files, const KernelRegistry& registry);

// ChoosePolicy of this program's files; on a CUDA device without one, dense products are the
// vendor's first.
KernelPolicy MeasuredPolicy(const DeviceBackend& backend, const KernelRegistry& registry);

}  // namespace nasengine
