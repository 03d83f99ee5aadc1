// Depthwise convolution over the stages of the built-in spaces, f32 and bf16.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "bench/kernels/kernel_case.h"
#include "kernels/conv/depthwise_conv.h"

namespace nasengine {
namespace {

struct Stage {
  std::int64_t n;
  std::int64_t size;
  std::int64_t channels;
  std::int64_t stride;
};

constexpr Stage kStages[] = {
    // 224x224, batch 16
    {16, 112, 32, 1},
    {16, 56, 144, 1},
    {16, 28, 192, 1},
    {16, 28, 240, 1},
    {16, 14, 480, 1},
    {16, 7, 960, 1},
    {16, 112, 96, 2},
    {16, 56, 144, 2},
    {16, 28, 240, 2},
    {16, 14, 576, 2},
    // cifar, batch 64
    {64, 32, 96, 1},
    {64, 16, 192, 1},
    {64, 8, 384, 1},
    {64, 32, 144, 2},
    {64, 16, 288, 2},
    // fashion, batch 128
    {128, 14, 144, 1},
    {128, 7, 192, 1},
    {128, 28, 48, 2},
    {128, 14, 144, 2},
    // deployed networks, which see one image at a time and go forward alone
    {1, 112, 32, 1},
    {1, 56, 144, 1},
    {1, 28, 240, 1},
    {1, 14, 480, 1},
    {1, 7, 960, 1},
    {1, 7, 192, 1},
    {1, 112, 96, 2},
    {1, 28, 240, 2},
    {1, 14, 576, 2},
    {1, 14, 144, 2},
};

ConvGeometry GeometryOf(const Stage& stage, std::int64_t kernel) {
  return {.n = stage.n,
          .h = stage.size,
          .w = stage.size,
          .c_in = stage.channels,
          .c_out = stage.channels,
          .kernel = kernel,
          .stride = stage.stride,
          .pad = kernel / 2};
}

struct Tensors {
  Tensors(Workbench& bench, const ConvGeometry& g, DType dtype)
      : x(bench.Random({g.n, g.h, g.w, g.c_in}, 1, dtype)),
        w(bench.Random({g.kernel, g.kernel, g.c_in}, 2, dtype)),
        y(bench.Random({g.n, g.out_h(), g.out_w(), g.c_out}, 3, dtype)) {}
  Tensor x;
  Tensor w;
  Tensor y;
};

KernelTimes TimeForward(Workbench& bench, const KernelTiming& timing, const ConvGeometry& g,
                        DType dtype) {
  const Tensors t(bench, g, dtype);
  return TimeOperator<DepthwiseConvForward>(
      bench, timing, {.geometry = g, .x = t.x, .w = t.w, .bias = {}, .y = t.y});
}

KernelTimes TimeBackwardData(Workbench& bench, const KernelTiming& timing, const ConvGeometry& g,
                             DType dtype) {
  const Tensors t(bench, g, dtype);
  return TimeOperator<DepthwiseConvBackwardData>(bench, timing,
                                                 {.geometry = g, .dy = t.y, .w = t.w, .dx = t.x});
}

KernelTimes TimeBackwardWeights(Workbench& bench, const KernelTiming& timing, const ConvGeometry& g,
                                DType dtype) {
  const Tensors t(bench, g, dtype);
  const Tensor dw = bench.Random(t.w.shape(), 2);
  const KernelEntry<DepthwiseConvBackwardWeights> vendor = UnguardedDepthwiseVendor();
  return TimeOperator<DepthwiseConvBackwardWeights>(
      bench, timing, {.geometry = g, .x = t.x, .dy = t.y, .dw = dw}, &vendor);
}

using TimeDirection = KernelTimes (*)(Workbench&, const KernelTiming&, const ConvGeometry&, DType);

KernelCase MakeCase(const char* op, TimeDirection time, const Stage& stage, std::int64_t kernel,
                    DType dtype) {
  const ConvGeometry g = GeometryOf(stage, kernel);
  const auto in = static_cast<double>(g.n * g.h * g.w * g.c_in);
  const auto out = static_cast<double>(g.n * g.out_h() * g.out_w() * g.c_out);
  const auto taps = static_cast<double>(kernel * kernel);
  const std::string suffix = dtype == DType::kF32 ? "" : StrCat(" ", Name(dtype));
  return {
      .op = op,
      .shape = StrCat("k", kernel, " s", stage.stride, " ",
                      ImageName(stage.size, stage.channels, stage.n), suffix),
      .bytes = static_cast<double>(SizeOf(dtype)) * (in + out + taps * static_cast<double>(g.c_in)),
      .flops = 2 * taps * out,
      .terms = std::max(taps, out / static_cast<double>(g.c_out)),
      .footprint_bytes = 0,
      .time = [g, dtype, time](Workbench& bench, const KernelTiming& timing) {
        return time(bench, timing, g, dtype);
      }};
}

}  // namespace

std::vector<KernelCase> DepthwiseCases() {
  constexpr std::pair<const char*, TimeDirection> kDirections[] = {
      {DepthwiseConvForward::kName, TimeForward},
      {DepthwiseConvBackwardData::kName, TimeBackwardData},
      {DepthwiseConvBackwardWeights::kName, TimeBackwardWeights}};
  std::vector<KernelCase> cases;
  for (const auto& [op, time] : kDirections) {
    for (const Stage& stage : kStages) {
      if (stage.n == 1 && time != TimeForward) continue;
      for (const DType dtype : {DType::kF32, DType::kBf16}) {
        for (const std::int64_t kernel : {3, 5, 7}) {
          cases.push_back(MakeCase(op, time, stage, kernel, dtype));
        }
      }
    }
  }
  return cases;
}

}  // namespace nasengine
