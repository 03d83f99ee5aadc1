// Numbers with units, as flags and configuration files give them.
// SPDX-License-Identifier: MIT
#include <charconv>
#include <cmath>
#include <span>
#include <utility>

#include "kernels/core/error.h"
#include "nas/config/run_config.h"

namespace nasengine {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kReferenceUnits[] = {{"", 1.0}, {"ms", 1.0}, {"us", 1e-3}, {"s", 1e3}};
constexpr Unit kTimeUnits[] = {{"s", 1.0}, {"m", 60.0}, {"min", 60.0}, {"h", 3600.0}};
constexpr Unit kByteUnits[] = {{"", 1.0},
                               {"B", 1.0},
                               {"KiB", 1024.0},
                               {"MiB", 1048576.0},
                               {"GiB", 1073741824.0},
                               {"TiB", 1099511627776.0},
                               {"KB", 1e3},
                               {"MB", 1e6},
                               {"GB", 1e9},
                               {"TB", 1e12}};

// A positive number, blanks, a unit.
double ParseQuantity(std::string_view flag, std::string_view text, std::span<const Unit> units,
                     std::string_view accepted) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string_view unit_name(rest, static_cast<std::size_t>(end - rest));
  while (unit_name.starts_with(' ')) unit_name.remove_prefix(1);
  if (error == std::errc() && std::isfinite(number) && number > 0) {
    for (const Unit& unit : units) {
      if (unit.name == unit_name) return number * unit.factor;
    }
  }
  Throw(ErrorCode::kInvalidArgument, flag, ": found '", text, "', expected ", accepted);
}

}  // namespace

ReferenceCost ParseReference(std::string_view flag, std::string_view text) {
  const double value =
      ParseQuantity(flag, text, kReferenceUnits,
                    "a time above 0 such as 20ms, 150us or 1s, or a number in the table's unit");
  return {.value = value, .is_time = text.ends_with('s')};
}

double ParseSeconds(std::string_view flag, std::string_view text) {
  return ParseQuantity(flag, text, kTimeUnits, "a time above 0 such as 90s, 20m or 2h");
}

std::int64_t ParseBytes(std::string_view flag, std::string_view text) {
  constexpr std::string_view kAccepted =
      "a size of 1 byte or more such as 512MiB, 2GiB or 800000000";
  constexpr double kMaxBytes = 9e18;
  const double bytes = ParseQuantity(flag, text, kByteUnits, kAccepted);
  NAS_CHECK(bytes >= 1 && bytes <= kMaxBytes, flag, ": found '", text, "', expected ", kAccepted);
  return static_cast<std::int64_t>(bytes);
}

}  // namespace nasengine
