// Files of CIFAR-10's binary version, written byte by byte.
// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>

#include "tests/data/idx_files.h"

namespace nasengine {

inline constexpr std::size_t kCifarRecordBytes = 3073;

// A record a label; byte b of image i is 7 i + 3 b + b / 256.
inline Bytes CifarBytes(const Bytes& labels) {
  Bytes bytes;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    bytes.push_back(labels[i]);
    for (std::size_t b = 0; b + 1 < kCifarRecordBytes; ++b) {
      bytes.push_back(static_cast<std::uint8_t>(7 * i + 3 * b + b / 256));
    }
  }
  return bytes;
}

// Two training images in each of the five files, with labels 0 to 9 in order, and three to test.
inline void WriteCifarFolder(const std::filesystem::path& folder) {
  for (int i = 0; i < 5; ++i) {
    const auto first = static_cast<std::uint8_t>(2 * i);
    WriteBytes(folder / ("data_batch_" + std::to_string(i + 1) + ".bin"),
               CifarBytes({first, static_cast<std::uint8_t>(first + 1)}));
  }
  WriteBytes(folder / "test_batch.bin", CifarBytes({9, 0, 4}));
}

}  // namespace nasengine
