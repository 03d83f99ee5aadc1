// Plans of a vendor's library that outlive the program: making one may compile its kernels, which
// takes seconds. A file a plan, found by everything that the plan depends on.
// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace nasengine::cuda {

class PlanFiles {
 public:
  // Empty: nothing is kept.
  explicit PlanFiles(std::string folder) : folder_(std::move(folder)) {}

  // Where the variable NASENGINE_CACHE says, else ~/.cache/nasengine; empty without a home.
  static std::string UsualFolder();

  // The text stored under this key. A file that is damaged, or of another key, is as none.
  std::optional<std::string> Load(std::string_view key) const;
  // A folder that cannot be written to is said once, and left alone from then on.
  void Store(std::string_view key, std::string_view text);

  // Of the file for the key.
  std::string Path(std::string_view key) const;

 private:
  std::string folder_;
};

}  // namespace nasengine::cuda
