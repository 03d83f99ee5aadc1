// Batch normalisation with ReLU6, and the inner product with one without, over the expanded maps of
// the built-in spaces, f32 and bf16.
// SPDX-License-Identifier: MIT
#include <array>

#include "bench/kernels/kernel_case.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/norm/batch_norm_inner_product.h"

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
  Tensors(Workbench& bench, const Map& map, DType dtype)
      : x(bench.Random({map.n, map.size, map.size, map.channels}, 1, dtype)),
        y(bench.Random({map.n, map.size, map.size, map.channels}, 2, dtype)) {
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

KernelTimes TimeForward(Workbench& bench, const KernelTiming& timing, const Map& map, DType dtype) {
  const Tensors t(bench, map, dtype);
  return TimeOperator<BatchNormForward>(bench, timing, ForwardArgs(t));
}

KernelTimes TimeInference(Workbench& bench, const KernelTiming& timing, const Map& map,
                          DType dtype) {
  const Tensors t(bench, map, dtype);
  // inv_std stands in for the variance, which is never negative.
  Dispatch<BatchNormForward>(bench.context(), ForwardArgs(t));
  return TimeOperator<BatchNormInference>(bench, timing,
                                          {.x = t.x,
                                           .gamma = t.vectors[0],
                                           .beta = t.vectors[1],
                                           .mean = t.vectors[2],
                                           .var = t.vectors[3],
                                           .activation = Activation::kRelu6,
                                           .y = t.y});
}

KernelTimes TimeBackward(Workbench& bench, const KernelTiming& timing, const Map& map,
                         DType dtype) {
  const Tensors t(bench, map, dtype);
  // Statistics that belong to x, as backward may expect.
  Dispatch<BatchNormForward>(bench.context(), ForwardArgs(t));
  const Tensor dy = bench.Random(t.x.shape(), 9, dtype);
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

// Of a block's last batch norm, which has no activation.
KernelTimes TimeInnerProduct(Workbench& bench, const KernelTiming& timing, const Map& map,
                             DType dtype) {
  const Tensors t(bench, map, dtype);
  const Tensor dy = bench.Random(t.x.shape(), 9, dtype);
  const Tensor result = bench.Random({1}, 10);
  return TimeOperator<BatchNormInnerProduct>(bench, timing,
                                             {.x = t.x,
                                              .dy = dy,
                                              .gamma = t.vectors[0],
                                              .beta = t.vectors[1],
                                              .mean = t.vectors[2],
                                              .inv_std = t.vectors[3],
                                              .result = result});
}

// A map that is moved so many times, of so many tensors of its size.
struct Traffic {
  double maps;
  double tensors;
};

template <class Time>
KernelCase MakeCase(const char* op, const Map& map, DType dtype, const Traffic& traffic,
                    double flops, const Time& time) {
  const auto elements = static_cast<double>(map.n * map.size * map.size * map.channels);
  const double map_bytes = elements * static_cast<double>(SizeOf(dtype));
  const std::string suffix = dtype == DType::kF32 ? "" : StrCat(" ", Name(dtype));
  return {.op = op,
          .shape = ImageName(map.size, map.channels, map.n) + suffix,
          .bytes = traffic.maps * map_bytes,
          .flops = flops * elements,
          .terms = elements / static_cast<double>(map.channels),
          .footprint_bytes = traffic.tensors * map_bytes,
          .time = [=](Workbench& bench, const KernelTiming& timing) {
            return time(bench, timing, map, dtype);
          }};
}

}  // namespace

std::vector<KernelCase> NormCases() {
  // The statistics of the whole batch come before the first result, so that a map is read twice and
  // written once; backward reads two maps twice and writes one.
  constexpr Traffic kForward{.maps = 3, .tensors = 2};
  constexpr Traffic kInference{.maps = 2, .tensors = 2};
  constexpr Traffic kBackward{.maps = 5, .tensors = 3};
  constexpr Traffic kInnerProduct{.maps = 2, .tensors = 2};
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const Map& map : kMaps) {
      cases.push_back(MakeCase(BatchNormForward::kName, map, dtype, kForward, 6, TimeForward));
      cases.push_back(
          MakeCase(BatchNormInference::kName, map, dtype, kInference, 4, TimeInference));
      cases.push_back(MakeCase(BatchNormBackward::kName, map, dtype, kBackward, 12, TimeBackward));
      cases.push_back(
          MakeCase(BatchNormInnerProduct::kName, map, dtype, kInnerProduct, 4, TimeInnerProduct));
    }
  }
  return cases;
}

}  // namespace nasengine
