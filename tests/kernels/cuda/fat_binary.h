// What a file that nvcc made holds for devices, the entries of its section .nv_fatbin, and what it
// is to hold.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace nasengine::cuda {

struct FatEntry {
  std::string architecture;  // "sm_90a" for code, "compute_80" for PTX
  std::string bytes;         // an ELF file or a text, or either compressed
  bool compressed = false;
  std::uint64_t end = 0;  // in the section
};
// Of one compiled source.
using FatContainer = std::vector<FatEntry>;

// Throws kInvalidArgument, or kNotFound for the file, naming the place.
std::vector<FatContainer> ReadFatBinary(const std::string& file);

// What CMake makes of "90a-real,80-virtual,75": sm_90a, compute_80, sm_75 and compute_75. Empty for
// names that stand for what the toolkit or the machine has.
std::set<std::string> ConfiguredArchitectures(const std::string& list);

}  // namespace nasengine::cuda
