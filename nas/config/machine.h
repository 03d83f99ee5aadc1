// What this process may use of the machine: cores and memory, by the system's and the container's
// limits.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace nasengine {

// Share of the available memory that a run may plan for.
inline constexpr double kMemoryBudgetShare = 0.85;

// The cores of the affinity mask, or fewer where a cgroup's CPU quota allows fewer (rounded up);
// at least 1. `root` is where /proc and /sys are looked for.
int AvailableThreads(const std::string& root = "/");

// The smaller of the memory that the system says is available and the cgroup's limit (version 2,
// otherwise 1; the smallest of the group and those above it). 0 when neither can be read.
std::int64_t AvailableMemoryBytes(const std::string& root = "/");

// kMemoryBudgetShare of AvailableMemoryBytes.
std::int64_t DefaultMemoryBudget(const std::string& root = "/");

}  // namespace nasengine
