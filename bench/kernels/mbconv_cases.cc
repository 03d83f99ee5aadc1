// Whole MBConv blocks: forward and backward by each implementation, and a training step of the
// fused one against the same block from oneDNN's operators.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "bench/kernels/kernel_case.h"
#include "bench/kernels/mbconv_vendor.h"

namespace nasengine {
namespace {

struct Block {
  std::int64_t n;
  std::int64_t size;
  std::int64_t c_in;
  std::int64_t expanded;
  std::int64_t c_out;
  std::int64_t stride;
};

constexpr Block kBlocks[] = {
    // 224x224, batch 16
    {16, 112, 16, 96, 24, 2},
    {16, 56, 24, 144, 24, 1},
    {16, 28, 40, 240, 40, 1},
    {16, 14, 80, 480, 80, 1},
    {16, 7, 160, 960, 160, 1},
    // cifar, batch 64
    {64, 32, 24, 144, 24, 1},
    {64, 8, 80, 480, 80, 1},
    // fashion, batch 128
    {128, 14, 24, 144, 24, 1},
    {128, 7, 32, 192, 32, 1},
};

KernelTimes TimeStep(Workbench& bench, const KernelTiming& timing, const MbconvGeometry& g,
                     DType dtype) {
  if (timing.only_choices || !bench.on_cpu()) return {};  // a step is no operator
  Context& context = bench.context();
  const MbconvTensors t(bench, g, dtype);
  const KernelEntry<MbconvForward>& forward = bench.registry().Entry<MbconvForward>(Impl::kOurs);
  const KernelEntry<MbconvBackward>& backward = bench.registry().Entry<MbconvBackward>(Impl::kOurs);
  context.ReserveWorkspace(forward.workspace_bytes(context, t.Forward()));
  context.ReserveWorkspace(backward.workspace_bytes(context, t.Backward()));
  const KernelEntry<MbconvForward>* const forwards[] = {&forward};
  const KernelEntry<MbconvBackward>* const backwards[] = {&backward};
  VerifyAgainstReference<MbconvForward>(context, forwards,
                                        bench.registry().Entry<MbconvForward>(Impl::kReference),
                                        t.Forward(), timing.terms);
  forward.run(context, t.Forward());
  VerifyAgainstReference<MbconvBackward>(context, backwards,
                                         bench.registry().Entry<MbconvBackward>(Impl::kReference),
                                         t.Backward(), timing.terms);
  VendorMbconv vendor(bench, t);
  const auto fused = [&] {
    forward.run(context, t.Forward());
    backward.run(context, t.Backward());
  };
  return TimeBesideVendor(timing, fused, [&] { vendor.Run(); });
}

KernelTimes TimeForward(Workbench& bench, const KernelTiming& timing, const MbconvGeometry& g,
                        DType dtype) {
  const MbconvTensors t(bench, g, dtype);
  return TimeOperator<MbconvForward>(bench, timing, t.Forward());
}

KernelTimes TimeBackward(Workbench& bench, const KernelTiming& timing, const MbconvGeometry& g,
                         DType dtype) {
  const MbconvTensors t(bench, g, dtype);
  // Statistics that belong to the convolutions' results, as backward may expect.
  Dispatch<MbconvForward>(bench.context(), t.Forward());
  return TimeOperator<MbconvBackward>(bench, timing, t.Backward());
}

using TimeBlock = KernelTimes (*)(Workbench&, const KernelTiming&, const MbconvGeometry&, DType);

// How often the tensors of a block cross memory where every convolution and batch norm is a pass of
// its own, and how many products each of its multiplications takes part in.
struct Direction {
  const char* op;
  TimeBlock time;
  double expanded;
  double out;
  double in;
  double products;
};
constexpr Direction kDirections[] = {{MbconvForward::kName, TimeForward, 5, 4, 1, 1},
                                     {MbconvBackward::kName, TimeBackward, 9, 7, 2, 2},
                                     {"mbconv_step", TimeStep, 14, 11, 3, 3}};

KernelCase MakeCase(const Direction& d, const MbconvGeometry& g, DType dtype) {
  const auto in = static_cast<double>(g.InputShape().elements());
  const auto e1 = static_cast<double>(g.E1Shape().elements());
  const auto e2 = static_cast<double>(g.E2Shape().elements());
  const auto out = static_cast<double>(g.OutputShape().elements());
  const auto taps = static_cast<double>(g.kernel * g.kernel);
  const auto element_bytes = static_cast<double>(SizeOf(dtype));
  return {
      .op = d.op,
      .shape = StrCat("k", g.kernel, " s", g.stride, " ", ImageName(g.h, g.c_in, g.n), " e",
                      g.expanded, dtype == DType::kF32 ? "" : StrCat(" ", Name(dtype))),
      .bytes = element_bytes * (d.expanded * (e1 + e2) + d.out * out + d.in * in),
      .flops = 2 * d.products *
               (e1 * static_cast<double>(g.c_in) + e2 * taps + e2 * static_cast<double>(g.c_out)),
      .terms = std::max(e1, e2) / static_cast<double>(g.expanded),
      .footprint_bytes = element_bytes * (3 * e1 + 3 * e2 + 3 * out + 2 * in),
      .time = [g, dtype, time = d.time](Workbench& bench, const KernelTiming& timing) {
        return time(bench, timing, g, dtype);
      }};
}

}  // namespace

std::vector<KernelCase> MbconvCases() {
  std::vector<KernelCase> cases;
  for (const Direction& direction : kDirections) {
    for (const Block& block : kBlocks) {
      for (const DType dtype : {DType::kF32, DType::kBf16}) {
        for (std::int64_t kernel : {3, 5, 7}) {
          const MbconvGeometry geometry = {.n = block.n,
                                           .h = block.size,
                                           .w = block.size,
                                           .c_in = block.c_in,
                                           .expanded = block.expanded,
                                           .c_out = block.c_out,
                                           .kernel = kernel,
                                           .stride = block.stride};
          cases.push_back(MakeCase(direction, geometry, dtype));
        }
      }
    }
  }
  return cases;
}

}  // namespace nasengine
