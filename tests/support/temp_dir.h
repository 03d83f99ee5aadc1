// A fresh directory that disappears with the object, for tests that write files.
// SPDX-License-Identifier: MIT
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "kernels/core/error.h"

namespace nasengine {

class TempDir {
 public:
  // Throws kIo when the system's directory for temporary files is not writable.
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "nasengine_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) Throw(ErrorCode::kIo, name, ": cannot be created");
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace nasengine
