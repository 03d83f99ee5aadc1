// SPDX-License-Identifier: MIT
#include "kernels/cuda/plan_files.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "kernels/core/log.h"

namespace nasengine::cuda {
namespace {

// FNV-1a, 64 bits, in hexadecimal digits.
std::string Digest(std::string_view text) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
  return digits.data();
}

// Before the text. Keys are single lines.
std::string Head(std::string_view key, std::string_view text) {
  return StrCat("nasengine plan 1\n", key, "\n", text.size(), " ", Digest(text), "\n");
}

}  // namespace

std::string PlanFiles::UsualFolder() {
  const char* folder = std::getenv("NASENGINE_CACHE");
  if (folder != nullptr && *folder != '\0') return folder;
  const char* home = std::getenv("HOME");
  return home == nullptr || *home == '\0' ? "" : StrCat(home, "/.cache/nasengine");
}

std::string PlanFiles::Path(std::string_view key) const {
  return StrCat(folder_, "/plan-", Digest(key), ".txt");
}

std::optional<std::string> PlanFiles::Load(std::string_view key) const {
  if (folder_.empty()) return std::nullopt;
  std::string content;
  try {
    content = ReadFile(Path(key));
  } catch (const Error&) {
    return std::nullopt;
  }
  // The head is made anew from what follows it, so that any difference shows.
  std::size_t at = 0;
  for (int line = 0; line < 3; ++line) {
    at = content.find('\n', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  std::string text = content.substr(at);
  if (content.compare(0, at, Head(key, text)) != 0) return std::nullopt;
  return text;
}

void PlanFiles::Store(std::string_view key, std::string_view text) {
  if (folder_.empty()) return;
  try {
    std::error_code ignored;  // what keeps the folder from being made keeps the file too
    std::filesystem::create_directories(folder_, ignored);
    WriteFileAtomically(Path(key), Head(key, text).append(text));
  } catch (const Error& error) {
    LogWarning(StrCat("plans are not kept for the next start: ", error.what()));
    folder_.clear();
  }
}

}  // namespace nasengine::cuda
