// The safetensors container: 8 bytes of little-endian header length, a JSON header that names
// tensors and where their bytes lie, the bytes. Knows nothing of devices.
// https://github.com/huggingface/safetensors (format description)
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/tensor.h"

namespace nasengine {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape{};
  // Where the tensor's bytes begin in the data section.
  std::int64_t offset_bytes = 0;

  std::int64_t bytes() const { return shape.elements() * SizeOf(dtype); }
};

// Gives every entry its place, the widest types first so that each is aligned to its size; the
// order among equals stays. Returns the size of the data section.
std::int64_t PlaceSafetensors(std::vector<SafetensorsEntry>& entries);

// A file under construction: the header is done, the data section is to be filled.
class SafetensorsWriter {
 public:
  // Throws kInvalidArgument on a type other than f32, bf16, i32, on a name or metadata key that the
  // format keeps for itself, and on text that is not UTF-8.
  SafetensorsWriter(std::vector<SafetensorsEntry> entries,
                    const std::map<std::string, std::string>& metadata);

  // In the order of the data.
  const std::vector<SafetensorsEntry>& entries() const { return entries_; }
  char* data(const SafetensorsEntry& entry) {
    return file_.data() + data_start_ + entry.offset_bytes;
  }
  // Stamps the checksum and returns the file.
  std::string Finish() &&;

 private:
  std::vector<SafetensorsEntry> entries_;
  std::string unstamped_header_;
  std::size_t checksum_start_ = 0;
  std::size_t data_start_ = 0;
  std::string file_;
};

struct SafetensorsFile {
  std::vector<SafetensorsEntry> entries;        // in the order of the data, which they fill exactly
  std::map<std::string, std::string> metadata;  // without the checksum
  std::string_view data;
};

// Reads the header in `bytes`, which the result points into. Throws kInvalidArgument, naming `path`
// and the tensor, on anything that is damaged, overlaps, leaves gaps, is of a type other than f32,
// bf16, i32 or of more than four axes, or fails the checksum, where there is one.
SafetensorsFile ParseSafetensors(const std::string& path, std::string_view bytes);

}  // namespace nasengine
