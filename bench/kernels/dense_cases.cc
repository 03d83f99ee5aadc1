// Pointwise convolution over the stages of the two built-in spaces, and their stems.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "bench/kernels/kernel_case.h"
#include "kernels/conv/conv2d.h"
#include "kernels/conv/pointwise_conv.h"

namespace nasengine {
namespace {

struct Tensors {
  Tensors(Workbench& bench, const ConvGeometry& g)
      : x(bench.Random({g.n, g.h, g.w, g.c_in}, 1)),
        w(g.kernel == 1 ? bench.Random({g.c_out, g.c_in}, 2)
                        : bench.Random({g.c_out, g.kernel, g.kernel, g.c_in}, 2)),
        y(bench.Random({g.n, g.out_h(), g.out_w(), g.c_out}, 3)) {}
  Tensor x;
  Tensor w;
  Tensor y;
};

template <class Op>
KernelTimes TimeForward(Workbench& bench, const KernelTiming& timing, const ConvGeometry& g) {
  const Tensors t(bench, g);
  return TimeOperator<Op>(bench, timing, {.geometry = g, .x = t.x, .w = t.w, .bias = {}, .y = t.y});
}

template <class Op>
KernelTimes TimeBackwardData(Workbench& bench, const KernelTiming& timing, const ConvGeometry& g) {
  const Tensors t(bench, g);
  return TimeOperator<Op>(bench, timing, {.geometry = g, .dy = t.y, .w = t.w, .dx = t.x});
}

template <class Op>
KernelTimes TimeBackwardWeights(Workbench& bench, const KernelTiming& timing,
                                const ConvGeometry& g) {
  const Tensors t(bench, g);
  return TimeOperator<Op>(bench, timing, {.geometry = g, .x = t.x, .dy = t.y, .dw = t.w});
}

using TimeDirection = KernelTimes (*)(Workbench&, const KernelTiming&, const ConvGeometry&);

KernelCase MakeCase(const char* op, TimeDirection time, const ConvGeometry& g) {
  const auto in = static_cast<double>(g.n * g.h * g.w * g.c_in);
  const auto out = static_cast<double>(g.n * g.out_h() * g.out_w() * g.c_out);
  const auto terms = static_cast<double>(g.kernel * g.kernel * g.c_in);
  return {.op = op,
          .shape = StrCat(g.c_in, "->", g.c_out, g.stride == 1 ? "" : " s2", " ", g.h, "x", g.w,
                          " n", g.n),
          .bytes = 4 * (in + out + terms * static_cast<double>(g.c_out)),
          .flops = 2 * terms * out,
          .terms = std::max(terms, out / static_cast<double>(g.c_out)),
          .footprint_bytes = 0,
          .time = [g, time](Workbench& bench, const KernelTiming& timing) {
            return time(bench, timing, g);
          }};
}

struct Product {
  std::int64_t n;
  std::int64_t size;
  std::int64_t c_in;
  std::int64_t c_out;
};

constexpr Product kProducts[] = {
    // 224x224, batch 16: expand, then project
    {16, 112, 16, 96},
    {16, 56, 24, 144},
    {16, 28, 40, 240},
    {16, 14, 80, 480},
    {16, 7, 192, 1152},
    {16, 7, 320, 1280},
    {16, 56, 96, 24},
    {16, 56, 144, 24},
    {16, 28, 240, 40},
    {16, 14, 480, 80},
    {16, 7, 1152, 192},
    // fashion, batch 128
    {128, 28, 8, 48},
    {128, 14, 24, 144},
    {128, 7, 32, 192},
    {128, 14, 144, 24},
    {128, 7, 192, 32},
};

}  // namespace

std::vector<KernelCase> PointwiseCases() {
  constexpr std::pair<const char*, TimeDirection> kDirections[] = {
      {PointwiseConvForward::kName, TimeForward<PointwiseConvForward>},
      {PointwiseConvBackwardData::kName, TimeBackwardData<PointwiseConvBackwardData>},
      {PointwiseConvBackwardWeights::kName, TimeBackwardWeights<PointwiseConvBackwardWeights>}};
  std::vector<KernelCase> cases;
  for (const auto& [op, time] : kDirections) {
    for (const Product& p : kProducts) {
      cases.push_back(MakeCase(
          op, time, {.n = p.n, .h = p.size, .w = p.size, .c_in = p.c_in, .c_out = p.c_out}));
    }
  }
  return cases;
}

std::vector<KernelCase> StemCases() {
  constexpr ConvGeometry kStems[] = {
      {.n = 16, .h = 224, .w = 224, .c_in = 3, .c_out = 32, .kernel = 3, .stride = 2, .pad = 1},
      {.n = 128, .h = 28, .w = 28, .c_in = 1, .c_out = 8, .kernel = 3, .stride = 1, .pad = 1}};
  std::vector<KernelCase> cases;
  for (const ConvGeometry& g : kStems) {
    cases.push_back(MakeCase(Conv2dForward::kName, TimeForward<Conv2dForward>, g));
    cases.push_back(
        MakeCase(Conv2dBackwardWeights::kName, TimeBackwardWeights<Conv2dBackwardWeights>, g));
  }
  return cases;
}

}  // namespace nasengine
