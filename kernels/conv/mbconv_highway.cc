// Our fused MBConv as registered kernels: which arguments it takes.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_team.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {
namespace {

std::string Declines(const MbconvGeometry& g, DType dtype) {
  if (dtype != DType::kF32 && dtype != DType::kBf16) {
    return StrCat("takes f32 and bf16, not ", Name(dtype));
  }
  if (g.kernel != 3 && g.kernel != 5 && g.kernel != 7) {
    return StrCat("takes kernels 3, 5 and 7, not ", g.kernel);
  }
  if (g.stride != 1 && g.stride != 2) return StrCat("takes strides 1 and 2, not ", g.stride);
  return "";
}

}  // namespace

void RegisterMbconvHighway(KernelRegistry& registry) {
  registry.Register(KernelEntry<MbconvForward>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const MbconvForward::Args& args) {
            return Declines(args.geometry, args.x.dtype);
          },
      .workspace_bytes = mbconv::ForwardWorkspace,
      .run = mbconv::Forward,
  });
  registry.Register(KernelEntry<MbconvBackward>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const MbconvBackward::Args& args) {
            return Declines(args.geometry, args.dy.dtype);
          },
      .workspace_bytes = mbconv::BackwardWorkspace,
      .run = mbconv::Backward,
  });
}

}  // namespace nasengine
