// SPDX-License-Identifier: MIT
#include "nas/cli/run_folder.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"

namespace nasengine {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void ThrowFolder(const fs::path& path, const std::string& cause) {
  Throw(ErrorCode::kIo, path.string(), ": cannot make the run folder: ", cause);
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return fmt::format("{:04}{:02}{:02}", local.tm_year + 1900, local.tm_mon + 1, local.tm_mday);
}

// Makes the first free runs/DATE-LABEL-N; two programs that start at once get two.
fs::path MakeNumbered(const std::string& label) {
  std::error_code error;
  const fs::path runs = "runs";
  fs::create_directories(runs, error);
  if (error) ThrowFolder(runs, error.message());
  const std::string stem = fmt::format("{}-{}-", Today(), label);
  for (int number = 1;; ++number) {
    fs::path path = runs / (stem + std::to_string(number));
    if (fs::create_directory(path, error)) return path;
    if (error) ThrowFolder(path, error.message());
  }
}

// True when it was not there before.
bool MakeNamed(const fs::path& path, bool force) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status)) {
    if (!fs::is_directory(status)) ThrowFolder(path, "a file of that name is there");
    const bool empty = fs::is_empty(path, error);
    if (error) ThrowFolder(path, error.message());
    NAS_CHECK(
        empty || force, path.string(),
        ": the folder holds something already; --force writes over the run in it, --out names "
        "another");
    if (::access(path.c_str(), W_OK | X_OK) != 0) ThrowFolder(path, std::strerror(errno));
    return false;
  }
  const bool made = fs::create_directories(path, error);
  if (error) ThrowFolder(path, error.message());
  return made;
}

// "~/runs/a/" -> "/home/me/runs/a".
fs::path Cleaned(const std::string& out) {
  std::string text = out;
  if (const char* home = std::getenv("HOME"); home != nullptr && text.starts_with("~/")) {
    text = home + text.substr(1);
  }
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace

RunFolder::RunFolder(const RunFolderOptions& options) {
  if (options.out.empty()) {
    path_ = MakeNumbered(options.label).string();
    made_ = true;
  } else {
    const fs::path path = Cleaned(options.out);
    made_ = MakeNamed(path, options.force);
    path_ = path.string();
  }
}

RunFolder::~RunFolder() {
  std::error_code ignored;
  // Removes an empty folder only.
  if (made_) fs::remove(path_, ignored);
}

std::string RunFolder::File(std::string_view name) const {
  return fmt::format("{}/{}", path_, name);
}

void RunFolder::Write(std::string_view name, std::string_view bytes) const {
  WriteFileAtomically(File(name), bytes);
}

void RunFolder::RemoveOldResults() const {
  for (const std::string_view name : kRunFiles) {
    std::error_code error;
    fs::remove(File(name), error);
    if (error) {
      Throw(ErrorCode::kIo, File(name), ": cannot remove the old file: ", error.message());
    }
  }
}

std::string RunFolder::Listing() const {
  std::string text;
  for (const std::string_view name : kRunFiles) {
    std::error_code ignored;
    if (!fs::exists(File(name), ignored)) continue;
    text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

}  // namespace nasengine
