// SPDX-License-Identifier: MIT
#include "bench/device_clocks.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

struct Field {
  const char* key;
  const char* queried;
};
constexpr Field kFields[] = {
    {"graphics_mhz", "clocks.current.graphics"},
    {"memory_mhz", "clocks.current.memory"},
    {"largest_graphics_mhz", "clocks.max.graphics"},
    {"temperature_c", "temperature.gpu"},
    {"power_w", "power.draw"},
};
constexpr const char* kDriver = "driver";  // the last field, which is no number

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  for (std::size_t start = 0; start <= line.size();) {
    const std::size_t end = std::min(line.find(", ", start), line.size());
    cells.push_back(line.substr(start, end - start));
    start = end + 2;
  }
  return cells;
}

// Null for what is none, such as "[N/A]".
Json Number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? Json(value) : Json();
}

}  // namespace

Json ParseClocks(const std::string& printed) {
  const std::string line = FirstLine(printed);
  const std::vector<std::string> cells = Cells(line);
  Json clocks;
  const bool understood = cells.size() == std::size(kFields) + 1;
  for (std::size_t i = 0; i < std::size(kFields); ++i) {
    clocks[kFields[i].key] = understood ? Number(cells[i]) : Json();
  }
  clocks[kDriver] = understood ? Json(cells.back()) : Json();
  if (!understood) clocks["reason"] = line.empty() ? "nvidia-smi: said nothing" : line;
  return clocks;
}

Json QueryClocks(int ordinal) {
  std::string command =
      StrCat("nvidia-smi -i ", ordinal, " --format=csv,noheader,nounits --query-gpu=");
  for (const Field& field : kFields) command += StrCat(field.queried, ",");
  command += "driver_version 2>&1";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string printed;
  char piece[256];
  while (pipe != nullptr && std::fgets(piece, sizeof piece, pipe.get()) != nullptr)
    printed += piece;
  return ParseClocks(printed);
}

}  // namespace nasengine
