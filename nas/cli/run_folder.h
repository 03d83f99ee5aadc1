// The folder of a run: where it is, that nothing of an earlier run is lost, and its files.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace nasengine {

struct RunFolderOptions {
  std::string out{};    // empty: runs/YYYYMMDD-<label>-<N>, the first N that is free
  std::string label{};  // what is run, for that name
  bool force = false;
};

class RunFolder {
 public:
  // Makes the folder, with those above it. Throws kIo, naming folder and cause, when it cannot be
  // made or written, and kInvalidArgument when it holds something and `force` is not set.
  explicit RunFolder(const RunFolderOptions& options);
  // Removes the folder again where this object made it and nothing was written.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const;
  // The whole file or, where that fails, the one before. Throws kIo.
  void Write(std::string_view name, std::string_view bytes) const;
  // Removes what an earlier run left under the names of a run's results, so that the files in the
  // folder are always of one run.
  void RemoveOldResults() const;
  // Names of the run's files that are there: "run.toml, latency.json".
  std::string Listing() const;

 private:
  std::string path_;
  bool made_ = false;
};

// The files of a run, in the order in which they come to be.
inline constexpr std::string_view kRunFiles[] = {
    "latency.json", "run.toml",          "recipe.toml",         "metrics.jsonl",
    "alphas.json",  "architecture.json", "weights.safetensors", "summary.json"};

}  // namespace nasengine
