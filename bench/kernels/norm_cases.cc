// Batch normalisation with ReLU6 over the expanded maps of the two built-in spaces.
// SPDX-License-Identifier: MIT
#include <array>

#include "bench/kernels/kernel_case.h"
#include "kernels/norm/batch_norm.h"

namespace nasengine {
namespace {

struct Map {
  std::int64_t n;
  std::int64_t size;
  std::int64_t channels;
};

constexpr Map kMaps[] = {{16, 112, 96}, {16, 56, 144}, {16, 28, 240},  {16, 14, 480},
                         {16, 7, 1152}, {128, 28, 48}, {128, 14, 144}, {128, 7, 192}};

struct Tensors {
  Tensors(Workbench& bench, const Map& map)
      : x(bench.Random({map.n, map.size, map.size, map.channels}, 1)),
        y(bench.Random({map.n, map.size, map.size, map.channels}, 2)) {
    for (std::uint32_t i = 0; i < vectors.size(); ++i) {
      vectors[i] = bench.Random({map.channels}, 3 + i);
    }
  }
  Tensor x;
  Tensor y;
  std::array<Tensor, 6> vectors;  // gamma, beta, mean, inv_std, and two more
};

BatchNormForward::Args ForwardArgs(const Tensors& t) {
  return {.x = t.x,
          .gamma = t.vectors[0],
          .beta = t.vectors[1],
          .activation = Activation::kRelu6,
          .y = t.y,
          .mean = t.vectors[2],
          .inv_std = t.vectors[3],
          .running_mean = {},
          .running_var = {}};
}

KernelTimes TimeForward(Workbench& bench, const KernelTiming& timing, const Map& map) {
  const Tensors t(bench, map);
  return TimeOperator<BatchNormForward>(bench, timing, ForwardArgs(t));
}

KernelTimes TimeBackward(Workbench& bench, const KernelTiming& timing, const Map& map) {
  const Tensors t(bench, map);
  // Statistics that belong to x, as backward may expect.
  Dispatch<BatchNormForward>(bench.context(), ForwardArgs(t));
  const Tensor dy = bench.Random(t.x.shape(), 9);
  return TimeOperator<BatchNormBackward>(bench, timing,
                                         {.x = t.x,
                                          .dy = dy,
                                          .gamma = t.vectors[0],
                                          .beta = t.vectors[1],
                                          .mean = t.vectors[2],
                                          .inv_std = t.vectors[3],
                                          .activation = Activation::kRelu6,
                                          .dx = t.y,
                                          .dgamma = t.vectors[4],
                                          .dbeta = t.vectors[5]});
}

}  // namespace

std::vector<KernelCase> NormCases() {
  std::vector<KernelCase> cases;
  for (const Map& map : kMaps) {
    const auto elements = static_cast<double>(map.n * map.size * map.size * map.channels);
    const std::string shape = ImageName(map.size, map.channels, map.n);
    // The statistics of the whole batch come before the first result, so that a map is read twice
    // and written once; backward reads two maps twice and writes one.
    cases.push_back({.op = BatchNormForward::kName,
                     .shape = shape,
                     .bytes = 4 * 3 * elements,
                     .flops = 6 * elements,
                     .terms = elements / static_cast<double>(map.channels),
                     .footprint_bytes = 4 * 2 * elements,
                     .time = [map](Workbench& bench, const KernelTiming& timing) {
                       return TimeForward(bench, timing, map);
                     }});
    cases.push_back({.op = BatchNormBackward::kName,
                     .shape = shape,
                     .bytes = 4 * 5 * elements,
                     .flops = 12 * elements,
                     .terms = elements / static_cast<double>(map.channels),
                     .footprint_bytes = 4 * 3 * elements,
                     .time = [map](Workbench& bench, const KernelTiming& timing) {
                       return TimeBackward(bench, timing, map);
                     }});
  }
  return cases;
}

}  // namespace nasengine
