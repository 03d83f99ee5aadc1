// Every kernel that this build has, put into a registry by plain function calls.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/core/kernel_registry.h"

namespace nasengine {

// The CPU's: references, ours (Highway), vendor (oneDNN).
KernelRegistry MakeCpuRegistry();

}  // namespace nasengine
