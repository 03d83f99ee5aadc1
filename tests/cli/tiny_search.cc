// SPDX-License-Identifier: MIT
#include "tests/cli/tiny_search.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/core/file_io.h"

namespace nasengine {

ProgramResult TinySearchTest::Search(const std::string& name,
                                     const std::vector<std::string>& more) const {
  std::vector<std::string> words = task_.Search({"--max-steps", "8", "--out", Path(name)});
  words.insert(words.end(), more.begin(), more.end());
  return RunProgram(words, folder_.path());
}

std::vector<nlohmann::json> TinySearchTest::Metrics(const std::string& name) const {
  std::istringstream lines(ReadFile(Path(name + "/metrics.jsonl")));
  std::vector<nlohmann::json> records;
  for (std::string line; std::getline(lines, line);) records.push_back(nlohmann::json::parse(line));
  return records;
}

std::vector<nlohmann::json> TinySearchTest::Timeless(const std::string& name) const {
  std::vector<nlohmann::json> records = Metrics(name);
  for (nlohmann::json& record : records) {
    record.erase("ms");
    record.erase("peak_bytes");
  }
  return records;
}

}  // namespace nasengine
