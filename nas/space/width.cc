// SPDX-License-Identifier: MIT
#include "nas/space/width.h"

#include <algorithm>

#include "kernels/core/error.h"

namespace nasengine {

int64_t ScaledChannels(int64_t channels, double width, WidthRule rule) {
  constexpr int64_t kMultiple = 8;
  if (rule == WidthRule::kFixed || (rule == WidthRule::kGrow && width < 1.0) || width == 1.0) {
    return channels;
  }
  const double exact = static_cast<double>(channels) * width;
  const int64_t rounded = static_cast<int64_t>(exact + kMultiple / 2.0) / kMultiple * kMultiple;
  const int64_t at_least_one = std::max(kMultiple, rounded);
  return static_cast<double>(at_least_one) < 0.9 * exact ? at_least_one + kMultiple : at_least_one;
}

void CheckWidth(std::string_view what, double width) {
  // Written so that a NaN is refused too.
  NAS_CHECK(width >= kMinWidth && width <= kMaxWidth, what, ": found ", width,
            ", expected a number from ", kMinWidth, " to ", kMaxWidth);
}

std::string_view Name(WidthRule rule) {
  switch (rule) {
    case WidthRule::kScale:
      return "scale";
    case WidthRule::kGrow:
      return "grow";
    case WidthRule::kFixed:
      break;
  }
  return "fixed";
}

}  // namespace nasengine
