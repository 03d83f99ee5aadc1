// What deployed networks run on packed weights: whole MBConv blocks, pointwise convolutions and the
// linear layer, mostly at batch 1; as vendor, the same from separate operators.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "bench/kernels/kernel_case.h"
#include "kernels/conv/mbconv_inference.h"
#include "kernels/conv/pointwise_inference.h"

namespace nasengine {
namespace {

KernelTimes TimeBlock(Workbench& bench, const KernelTiming& timing, const MbconvGeometry& g) {
  const Tensor x = bench.Random(g.InputShape(), 1);
  const Tensor y = bench.Random(g.OutputShape(), 2);
  const Tensor expand = bench.Random({g.expanded, g.c_in}, 3);
  const Tensor taps = bench.Random({g.kernel, g.kernel, g.expanded}, 4);
  const Tensor project = bench.Random({g.c_out, g.expanded}, 5);
  const Tensor expanded_bias = bench.Random({g.expanded}, 6);
  const Tensor bias = bench.Random({g.c_out}, 7);
  MbconvInference::Args args;
  args.geometry = g;
  args.residual = g.InputShape() == g.OutputShape();
  args.x = x;
  if (g.expanded != g.c_in) args.expand = {expand, expanded_bias};
  args.depthwise = {taps, expanded_bias};
  args.project = {project, bias};
  args.y = y;
  const PackedMbconv packed = PackMbconv(bench.context(), args);
  args.packed = &packed;
  return TimeOperator<MbconvInference>(bench, timing, args);
}

KernelTimes TimePointwise(Workbench& bench, const KernelTiming& timing, const ConvGeometry& g) {
  const Tensor x = bench.Random({g.n, g.h, g.w, g.c_in}, 1);
  const Tensor w = bench.Random({g.c_out, g.c_in}, 2);
  const Tensor bias = bench.Random({g.c_out}, 3);
  const Tensor y = bench.Random({g.n, g.h, g.w, g.c_out}, 4);
  const Tensor packed = PackPointwise(bench.context(), w);
  return TimeOperator<PointwiseInference>(
      bench, timing, {.geometry = g, .x = x, .w = w, .bias = bias, .packed = &packed, .y = y});
}

KernelCase BlockCase(const MbconvGeometry& g) {
  const auto e1 = static_cast<double>(g.E1Shape().elements());
  const auto e2 = static_cast<double>(g.E2Shape().elements());
  const auto in = static_cast<double>(g.c_in);
  const auto out = static_cast<double>(g.c_out);
  const auto expanded = static_cast<double>(g.expanded);
  const auto taps = static_cast<double>(g.kernel * g.kernel);
  const bool expands = g.expanded != g.c_in;
  const auto images = static_cast<double>(g.InputShape().elements() + g.OutputShape().elements());
  return {.op = MbconvInference::kName,
          .shape = ToString(g),
          .bytes = 4 * (images + expanded * ((expands ? in : 0) + taps + out)),
          .flops = 2 * ((expands ? e1 * in : 0) + e2 * (taps + out)),
          .terms = std::max({in, taps, expanded}),
          .footprint_bytes = 0,
          .time = [g](Workbench& bench, const KernelTiming& timing) {
            return TimeBlock(bench, timing, g);
          }};
}

KernelCase PointwiseCase(const ConvGeometry& g) {
  const auto rows = static_cast<double>(g.n * g.h * g.w);
  const auto in = static_cast<double>(g.c_in);
  const auto out = static_cast<double>(g.c_out);
  return {.op = PointwiseInference::kName,
          .shape = ToString(g),
          .bytes = 4 * (rows * (in + out) + in * out),
          .flops = 2 * rows * in * out,
          .terms = in,
          .footprint_bytes = 0,
          .time = [g](Workbench& bench, const KernelTiming& timing) {
            return TimePointwise(bench, timing, g);
          }};
}

}  // namespace

std::vector<KernelCase> InferenceCases() {
  constexpr MbconvGeometry kBlocks[] = {
      // proxyless-mobile: every stage
      {1, 112, 112, 32, 32, 16, 3, 1},
      {1, 112, 112, 16, 48, 32, 5, 2},
      {1, 56, 56, 32, 96, 32, 3, 1},
      {1, 56, 56, 32, 96, 40, 7, 2},
      {1, 28, 28, 40, 120, 40, 3, 1},
      {1, 28, 28, 40, 120, 40, 5, 1},
      {1, 28, 28, 40, 240, 80, 7, 2},
      {1, 14, 14, 80, 240, 80, 5, 1},
      {1, 14, 14, 96, 288, 96, 5, 1},
      {1, 14, 14, 96, 576, 192, 7, 2},
      {1, 7, 7, 192, 1152, 192, 7, 1},
      {16, 56, 56, 32, 96, 32, 3, 1},
      {16, 14, 14, 96, 288, 96, 5, 1},
      {16, 7, 7, 192, 1152, 192, 7, 1},
      // cifar, fashion
      {1, 32, 32, 24, 144, 24, 3, 1},
      {1, 28, 28, 8, 48, 8, 3, 1},
      {1, 7, 7, 32, 192, 32, 3, 1},
  };
  constexpr ConvGeometry kProducts[] = {
      {.n = 1, .h = 7, .w = 7, .c_in = 320, .c_out = 1280},
      {.n = 16, .h = 7, .w = 7, .c_in = 320, .c_out = 1280},
      {.n = 1, .h = 1, .w = 1, .c_in = 1280, .c_out = 1000},
      {.n = 16, .h = 1, .w = 1, .c_in = 1280, .c_out = 1000},
      {.n = 1, .h = 1, .w = 1, .c_in = 64, .c_out = 10},
  };
  std::vector<KernelCase> cases;
  for (const MbconvGeometry& g : kBlocks) cases.push_back(BlockCase(g));
  for (const ConvGeometry& g : kProducts) cases.push_back(PointwiseCase(g));
  return cases;
}

}  // namespace nasengine
