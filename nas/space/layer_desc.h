// One layer of a network as pure description: which operation, from which size to which. The
// supernet, the deployed network, latency tables, counts and exporters are all built from it.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/activation.h"

namespace nasengine {

enum class LayerOp {
  // k x k convolution without bias (k = 1 is pointwise), batch norm, activation. Padding k / 2.
  kConv,
  // Mobile inverted bottleneck: 1x1 to in.c * expand + batch norm + activation (left out when
  // expand is 1), depthwise k x k with the stride + batch norm + activation, 1x1 to out.c + batch
  // norm without activation, plus the input where HasResidual(). No convolution has a bias.
  kMbconv,
  // A skipped block: the output is the input, at no cost.
  kZero,
  // Global average pool, dropout, linear with bias; out is 1 x 1 x classes.
  kClassifier,
};

// Height, width, channels of one image or feature map.
struct Size3 {
  int64_t h = 0;
  int64_t w = 0;
  int64_t c = 0;

  friend bool operator==(const Size3&, const Size3&) = default;
};

struct LayerDesc {
  // Unique in its network. Every candidate of a searchable block carries the name of the block.
  std::string name{};
  LayerOp op = LayerOp::kConv;
  // Names of earlier layers, or "input" for the image. Every operation of today takes exactly one.
  std::vector<std::string> inputs{};
  Size3 in{};
  Size3 out{};
  int kernel = 1;
  int stride = 1;
  // Channels of kMbconv's middle as a multiple of in.c; 1 for every other operation.
  int expand = 1;
  // kConv: after its batch norm. kMbconv: in its middle, always kRelu6. Others: kNone.
  Activation activation = Activation::kNone;
  // kClassifier: share of its inputs set to zero in training.
  double dropout = 0.0;
  // kConv: what its latency key starts with (nas/space/latency_key.h); empty for the plain form.
  std::string key_prefix{};

  friend bool operator==(const LayerDesc&, const LayerDesc&) = default;
};

// The name under which the image is an input.
inline constexpr std::string_view kImageInput = "input";

// kMbconv with stride 1 and equal channels: its input is added to its output.
bool HasResidual(const LayerDesc& layer);

// Channels in the middle of a kMbconv: in.c * expand.
int64_t ExpandedChannels(const LayerDesc& layer);

// Whether a block from `in` to `out` may be left out: equal sizes (which implies stride 1).
bool IsSkippable(const Size3& in, const Size3& out);

// Size after a layer of this stride: ceil(h / stride), ceil(w / stride), `channels`.
Size3 OutputSize(const Size3& in, int stride, int64_t channels);

// "3x3_MBConv6" for a kMbconv, "Zero" for kZero. Throws kInvalidArgument for other operations.
std::string CandidateName(const LayerDesc& layer);

// "28x28x24".
std::string ToString(const Size3& size);
// "conv", "mbconv", "zero", "classifier": the words of every file and every JSON document.
std::string_view Name(LayerOp op);

}  // namespace nasengine
