// The pointwise non-linearities of the engine, as a word that descriptions and kernels share.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace nasengine {

enum class Activation { kNone, kRelu, kRelu6 };

constexpr std::string_view Name(Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return "relu";
    case Activation::kRelu6:
      return "relu6";
    case Activation::kNone:
      break;
  }
  return "none";
}

}  // namespace nasengine
