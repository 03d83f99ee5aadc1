// What tests of whole searches by the program share: a folder, a tiny task and its results.
// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace nasengine {

class TinySearchTest : public ::testing::Test {
 protected:
  // A search of a few steps into folder `name`.
  ProgramResult Search(const std::string& name, const std::vector<std::string>& more = {}) const;
  std::string Path(const std::string& name) const { return folder_ / name; }
  // The lines of metrics.jsonl.
  std::vector<nlohmann::json> Metrics(const std::string& name) const;
  // What the seed decides of them: no word of the clock and of memory.
  std::vector<nlohmann::json> Timeless(const std::string& name) const;

  TempDir folder_;
  TinyTask task_{folder_.path()};
};

}  // namespace nasengine
