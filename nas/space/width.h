// Width multipliers: how many channels are left where a space or a network is made narrower or
// wider as a whole, by the rounding of MobileNetV2 and ProxylessNAS.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

namespace nasengine {

// What a multiplier does to the channels that a file gives a layer or a stage.
enum class WidthRule {
  kScale,
  // Scales above 1 only: a narrow network keeps the features that its classifier sees.
  kGrow,
  kFixed,
};

inline constexpr double kMinWidth = 0.05;
inline constexpr double kMaxWidth = 10.0;

// The multiple of 8 nearest to channels * width, at least 8 and never below 0.9 of it. Width 1
// leaves the channels as they are, multiple of 8 or not.
int64_t ScaledChannels(int64_t channels, double width, WidthRule rule = WidthRule::kScale);

// Throws kInvalidArgument "<what>: found ..., expected ..." unless kMinWidth <= width <= kMaxWidth.
void CheckWidth(std::string_view what, double width);

// "scale", "grow", "fixed": the words of space files.
std::string_view Name(WidthRule rule);

}  // namespace nasengine
