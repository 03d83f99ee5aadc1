// What a file that nvcc made holds for devices: the entries of its section .nv_fatbin.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
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

}  // namespace nasengine::cuda
