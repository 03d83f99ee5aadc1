// IDX files written byte by byte, whole or damaged, and the error that reading them gives.
// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace nasengine {

using Bytes = std::vector<std::uint8_t>;

// A big-endian header of `words`, then `body`.
inline Bytes IdxBytes(const std::vector<std::uint32_t>& words, const Bytes& body) {
  Bytes bytes;
  for (const std::uint32_t word : words) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes.push_back(static_cast<std::uint8_t>(word >> shift));
    }
  }
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

// `count` images of rows x columns, whose pixel number p over the whole file is 7 p mod 256.
inline Bytes ImageBytes(std::uint32_t count, std::uint32_t rows, std::uint32_t columns) {
  Bytes body(std::size_t{count} * rows * columns);
  for (std::size_t p = 0; p < body.size(); ++p) body[p] = static_cast<std::uint8_t>(7 * p);
  return IdxBytes({0x803, count, rows, columns}, body);
}

inline Bytes LabelBytes(const Bytes& labels) {
  return IdxBytes({0x801, static_cast<std::uint32_t>(labels.size())}, labels);
}

// The bytes as one gzip member.
inline Bytes Gzip(const Bytes& bytes) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes zipped(deflateBound(&stream, bytes.size()) + 64);
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = zipped.data();
  stream.avail_out = static_cast<uInt>(zipped.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  zipped.resize(stream.total_out);
  deflateEnd(&stream);
  return zipped;
}

inline void WriteBytes(const std::filesystem::path& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good());
}

// The four files of MNIST's names, plain: `train` and 2 test images of 3 x 2.
inline void WriteFolder(const std::filesystem::path& folder, const Bytes& train_labels,
                        const Bytes& test_labels) {
  WriteBytes(folder / "train-images-idx3-ubyte",
             ImageBytes(static_cast<std::uint32_t>(train_labels.size()), 3, 2));
  WriteBytes(folder / "train-labels-idx1-ubyte", LabelBytes(train_labels));
  WriteBytes(folder / "t10k-images-idx3-ubyte",
             ImageBytes(static_cast<std::uint32_t>(test_labels.size()), 3, 2));
  WriteBytes(folder / "t10k-labels-idx1-ubyte", LabelBytes(test_labels));
}

// Expects `action` to throw an Error with `code`, in one line that contains every one of `parts`.
inline void ExpectError(ErrorCode code, const std::vector<std::string>& parts,
                        const std::function<void()>& action) {
  try {
    action();
    ADD_FAILURE() << "no error; expected one with '" << parts.front() << "'";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(error.code(), code) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    for (const std::string& part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "no '" << part << "' in: " << message;
    }
  }
}

}  // namespace nasengine
