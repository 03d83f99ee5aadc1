// What follows from a layer's description alone.
// SPDX-License-Identifier: MIT
#include "nas/space/layer_desc.h"

#include "kernels/core/error.h"

namespace nasengine {

bool HasResidual(const LayerDesc& layer) {
  return layer.op == LayerOp::kMbconv && layer.stride == 1 && layer.in.c == layer.out.c;
}

int64_t ExpandedChannels(const LayerDesc& layer) { return layer.in.c * layer.expand; }

bool IsSkippable(const Size3& in, const Size3& out) { return in == out; }

Size3 OutputSize(const Size3& in, int stride, int64_t channels) {
  return {(in.h + stride - 1) / stride, (in.w + stride - 1) / stride, channels};
}

std::string CandidateName(const LayerDesc& layer) {
  if (layer.op == LayerOp::kZero) return "Zero";
  NAS_CHECK(layer.op == LayerOp::kMbconv, "layer '", layer.name, "': a ", Name(layer.op),
            " is not a candidate");
  return StrCat(layer.kernel, "x", layer.kernel, "_MBConv", layer.expand);
}

std::string ToString(const Size3& size) { return StrCat(size.h, "x", size.w, "x", size.c); }

std::string_view Name(LayerOp op) {
  switch (op) {
    case LayerOp::kConv:
      return "conv";
    case LayerOp::kMbconv:
      return "mbconv";
    case LayerOp::kZero:
      return "zero";
    case LayerOp::kClassifier:
      break;
  }
  return "classifier";
}

}  // namespace nasengine
