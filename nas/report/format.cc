// SPDX-License-Identifier: MIT
#include "nas/report/format.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

namespace nasengine {

std::string FormatCount(std::int64_t value) {
  std::string text = std::to_string(value);
  const int first = value < 0 ? 1 : 0;
  for (int at = static_cast<int>(text.size()) - 3; at > first; at -= 3) {
    text.insert(static_cast<std::size_t>(at), ",");
  }
  return text;
}

std::string FormatBytes(std::int64_t bytes) {
  constexpr double kStep = 1024.0;
  const auto value = static_cast<double>(bytes);
  if (value < kStep) return fmt::format("{} B", bytes);
  if (value < kStep * kStep) return fmt::format("{:.1f} KiB", value / kStep);
  if (value < kStep * kStep * kStep) return fmt::format("{:.1f} MiB", value / (kStep * kStep));
  return fmt::format("{:.2f} GiB", value / (kStep * kStep * kStep));
}

std::string FormatSeconds(double seconds) {
  constexpr double kMinute = 60.0;
  constexpr long kHour = 3600;
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  if (seconds < 9.995) return fmt::format("{:.2f} s", seconds);
  if (seconds < kMinute - 0.05) return fmt::format("{:.1f} s", seconds);
  const long whole = std::lround(seconds);
  if (whole < kHour) return fmt::format("{}m {:02}s", whole / 60, whole % 60);
  const long minutes = std::lround(seconds / kMinute);
  return fmt::format("{}h {:02}m", minutes / 60, minutes % 60);
}

std::string FormatMs(double ms) { return FormatCost(ms, {}); }

std::string FormatCost(double value, const CostUnit& cost) {
  return fmt::format("{:#.4g} {}", value, cost.unit);
}

}  // namespace nasengine
