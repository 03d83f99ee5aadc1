// SPDX-License-Identifier: MIT
#include <cstdint>
#include <limits>

#include "kernels/core/error.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/vendor_steps.cuh"
#include "kernels/cuda/vendor_steps.h"

namespace nasengine::cuda {
namespace {

constexpr unsigned kBlock = 256;
constexpr int kVector = 4;

bool IsAligned(const void* pointer, std::int64_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % static_cast<std::uintptr_t>(bytes) == 0;
}
bool IsAligned(ConstView view) { return IsAligned(view.data, kVector * SizeOf(view.dtype)); }

std::uint32_t VectorsOf(ConstView view, int width) {
  const std::int64_t vectors = view.elements() / width;
  NAS_CHECK(vectors <= std::numeric_limits<std::int32_t>::max(), "vendor steps: ", vectors,
            " vectors are more than a kernel counts");
  return static_cast<std::uint32_t>(vectors);
}

LaunchShape ShapeFor(std::uint32_t threads) {
  return {.grid = dim3(static_cast<unsigned>(DivideUp(threads, kBlock))), .block = dim3(kBlock)};
}

template <class From, class To, int V>
void Launch(Context& context, ConstView from, ConstView bias, Activation activation, View to) {
  const std::uint32_t vectors = VectorsOf(from, V);
  Launch(context, "add_bias_and_activate", &AddBiasAndActivateKernel<From, To, V>,
         ShapeFor(vectors), from.As<From>(), bias.empty() ? nullptr : bias.As<float>(), activation,
         to.As<To>(), vectors, static_cast<std::uint32_t>(from.shape.back() / V));
}

template <class From, class To>
void Run(Context& context, ConstView from, ConstView bias, Activation activation, View to) {
  const bool wide = from.shape.back() % kVector == 0 && IsAligned(from) && IsAligned(to) &&
                    (bias.empty() || IsAligned(bias));
  if (wide) {
    Launch<From, To, kVector>(context, from, bias, activation, to);
  } else {
    Launch<From, To, 1>(context, from, bias, activation, to);
  }
}

}  // namespace

void AddBiasAndActivate(Context& context, ConstView from, ConstView bias, Activation activation,
                        View to) {
  if (from.elements() == 0) return;
  NAS_CHECK(from.elements() == to.elements(), "vendor steps: from ", ToString(from.shape), " to ",
            ToString(to.shape));
  NAS_CHECK(bias.empty() || bias.elements() == from.shape.back(), "vendor steps: bias is ",
            ToString(bias.shape), ", expected ", from.shape.back(), " elements");
  if (from.dtype == DType::kBf16 && to.dtype == DType::kBf16) {
    Run<BFloat16, BFloat16>(context, from, bias, activation, to);
  } else if (from.dtype == DType::kBf16) {
    Run<BFloat16, float>(context, from, bias, activation, to);
  } else if (to.dtype == DType::kBf16) {
    Run<float, BFloat16>(context, from, bias, activation, to);
  } else {
    Run<float, float>(context, from, bias, activation, to);
  }
}

void AddTo(Context& context, ConstView from, View to) {
  if (from.elements() == 0) return;
  NAS_CHECK(from.elements() == to.elements(), "vendor steps: from ", ToString(from.shape), " to ",
            ToString(to.shape));
  const bool wide = from.elements() % kVector == 0 && IsAligned(from) && IsAligned(to);
  const std::uint32_t vectors = VectorsOf(from, wide ? kVector : 1);
  Launch(context, "add_to", wide ? &AddToKernel<kVector> : &AddToKernel<1>, ShapeFor(vectors),
         from.As<float>(), to.As<float>(), vectors);
}

void SumColumns(Context& context, ConstView from, bool accumulate, View to) {
  const std::int64_t rows = from.shape[0], columns = from.shape[1];
  NAS_CHECK(to.elements() == columns, "vendor steps: ", columns, " columns are summed to ",
            ToString(to.shape));
  const LaunchShape shape{.grid = dim3(static_cast<unsigned>(DivideUp(columns, kWarp))),
                          .block = dim3(kWarp, kColumnWarps)};
  if (from.dtype == DType::kBf16) {
    Launch(context, "sum_columns", &SumColumnsKernel<BFloat16>, shape, from.As<BFloat16>(),
           to.As<float>(), rows, columns, accumulate);
  } else {
    Launch(context, "sum_columns", &SumColumnsKernel<float>, shape, from.As<float>(),
           to.As<float>(), rows, columns, accumulate);
  }
}

}  // namespace nasengine::cuda
