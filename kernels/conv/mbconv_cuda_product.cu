// The products of the fused MBConv on CUDA.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/conv/matrix_product_cuda_layer.cuh"
#include "kernels/conv/matrix_product_cuda_sums.cuh"
#include "kernels/conv/mbconv_cuda.h"
#include "kernels/conv/mbconv_cuda_plan.h"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda::mbconv {
namespace {

// Of a product of (rows, depth) by (depth, columns).
ProductShape ShapeOf(std::int64_t rows, std::int64_t columns, std::int64_t depth) {
  return {.rows = rows, .columns = static_cast<int>(columns), .depth = depth, .split_depth = depth};
}

template <class T>
NormGradient<T> TransformOf(const GradientThroughNorm& gradient) {
  return {.second = static_cast<const T*>(gradient.x),
          .norm = gradient.norm,
          .slope = gradient.slope,
          .offset = gradient.offset};
}

template <DepthOrder kOrder, class T>
auto GradientOperand(const GradientThroughNorm& gradient, std::int64_t across) {
  return OperandOf<kOrder>(static_cast<const T*>(gradient.g), across, TransformOf<T>(gradient));
}

PartialSums<double> SumsOf(std::int64_t rows, double* partial) {
  return {.data = partial, .blocks = DivideUp(rows, kProductRows)};
}

// From this element of both tensors on.
template <class T>
GradientThroughNorm From(GradientThroughNorm gradient, std::int64_t element) {
  gradient.g = static_cast<const T*>(gradient.g) + element;
  gradient.x = static_cast<const T*>(gradient.x) + element;
  return gradient;
}

// Where two products are to take turns, else all rows at once.
Slices SlicesOf(const Context& context, const LayerSizes& all, DType dtype, bool in_turn) {
  if (!in_turn) return {all, all.rows};
  return SlicesInTurn(all, static_cast<std::int64_t>(SizeOf(dtype)),
                      BackendOf(context).cache_bytes());
}

std::size_t PartsBytes(const Context& context, const Slices& slices) {
  return WeightsPlan(BackendOf(context).multiprocessors(), slices.first()).bytes();
}

// A slice's share of the parts, stored or, past the first, added. All slices split their depth
// alike.
template <class X, class Dy>
void AddParts(Context& context, const char* name, const Slices& slices, const LayerSizes& slice,
              const X& x, const Dy& dy, float* parts, bool accumulate) {
  WeightsPlan plan(BackendOf(context).multiprocessors(), slices.first());
  plan.shape.depth = slice.rows;
  RunWeightParts(
      context, name, plan, x, dy,
      AddToParts{parts, IsWide<typename X::Element>(parts, plan.shape.columns), accumulate});
}

void SumSlicedParts(Context& context, const Slices& slices, const WeightsGradient& weights) {
  if (weights.dw.empty()) return;
  SumWeightParts(context, WeightsPlan(BackendOf(context).multiprocessors(), slices.first()),
                 weights.parts, weights.accumulate, weights.dw.As<float>());
}

}  // namespace

std::size_t ProductSumBytes(std::int64_t rows, std::int64_t columns) {
  return static_cast<std::size_t>(DivideUp(rows, kProductRows) * 2 * columns) * sizeof(double);
}

PartialSums<double> Expand(Context& context, const MbconvGeometry& g, const ConstView& x,
                           const ConstView& w, const View& e1, double* partial) {
  const LayerSizes sizes = ExpandSizes(g);
  WithStorage(x.dtype, [&]<class T>(T) {
    RunProduct(context, "mbconv_expand", ShapeOf(sizes.rows, sizes.out, sizes.in),
               OperandOf<DepthOrder::kInner>(x.As<T>(), sizes.in),
               OperandOf<DepthOrder::kInner>(w.As<T>(), sizes.in),
               StoreWithMoments<T>{e1.As<T>(), IsWide<T>(e1.As<T>(), sizes.out), partial});
  });
  return SumsOf(sizes.rows, partial);
}

PartialSums<double> Project(Context& context, const MbconvGeometry& g, const ConstView& e2,
                            const NormParameters& norm, const ConstView& w, const View& o,
                            double* partial) {
  const LayerSizes sizes = ProjectSizes(g);
  WithStorage(e2.dtype, [&]<class T>(T) {
    RunProduct(context, "mbconv_project", ShapeOf(sizes.rows, sizes.out, sizes.in),
               OperandOf<DepthOrder::kInner>(e2.As<T>(), sizes.in, Normalised<T>{norm}),
               OperandOf<DepthOrder::kInner>(w.As<T>(), sizes.in),
               StoreWithMoments<T>{o.As<T>(), IsWide<T>(o.As<T>(), sizes.out), partial});
  });
  return SumsOf(sizes.rows, partial);
}

PartialSums<double> ProjectBackward(Context& context, const MbconvGeometry& g,
                                    const GradientThroughNorm& d_o, const ConstView& w,
                                    const ConstView& e2, const NormParameters& norm, const View& g2,
                                    const WeightsGradient& weights, double* partial) {
  const LayerSizes sizes = ProjectSizes(g);
  WithStorage(g2.dtype, [&]<class T>(T) {
    const Slices slices = SlicesOf(context, sizes, g2.dtype, !weights.dw.empty());
    slices.ForEach([&](const LayerSizes& slice, std::int64_t row) {
      const GradientThroughNorm gradient = From<T>(d_o, row * sizes.out);
      const T* const e2_rows = e2.As<T>() + row * sizes.in;
      T* const g2_rows = g2.As<T>() + row * sizes.in;
      const bool wide = IsWide<T>(g2_rows, sizes.in) && IsWide<T>(e2_rows, sizes.in);
      double* const sums = partial + row / kProductRows * 2 * sizes.in;
      RunProduct(context, "mbconv_project_backward_data", ShapeOf(slice.rows, sizes.in, sizes.out),
                 GradientOperand<DepthOrder::kInner, T>(gradient, sizes.out),
                 OperandOf<DepthOrder::kOuter>(w.As<T>(), sizes.in),
                 StorePassedGradient<T>{g2_rows, e2_rows, wide, norm, sums});
      if (weights.dw.empty()) return;
      AddParts(context, "mbconv_project_backward_weights", slices, slice,
               OperandOf<DepthOrder::kOuter>(e2_rows, sizes.in, Normalised<T>{norm}),
               GradientOperand<DepthOrder::kOuter, T>(gradient, sizes.out), weights.parts, row > 0);
    });
    SumSlicedParts(context, slices, weights);
  });
  return SumsOf(sizes.rows, partial);
}

std::size_t ProjectPartsBytes(const Context& context, const MbconvGeometry& g, DType dtype) {
  return PartsBytes(context, SlicesOf(context, ProjectSizes(g), dtype, true));
}

void ExpandBackward(Context& context, const MbconvGeometry& g, const GradientThroughNorm& d_e1,
                    const ConstView& w, const ConstView& x, const View& dx,
                    const WeightsGradient& weights) {
  const LayerSizes sizes = ExpandSizes(g);
  WithStorage(w.dtype, [&]<class T>(T) {
    const bool both = !dx.empty() && !weights.dw.empty();
    const Slices slices = SlicesOf(context, sizes, w.dtype, both);
    slices.ForEach([&](const LayerSizes& slice, std::int64_t row) {
      const GradientThroughNorm gradient = From<T>(d_e1, row * sizes.out);
      if (!dx.empty()) {
        RunProduct(context, "mbconv_expand_backward_data", ShapeOf(slice.rows, sizes.in, sizes.out),
                   GradientOperand<DepthOrder::kInner, T>(gradient, sizes.out),
                   OperandOf<DepthOrder::kOuter>(w.As<T>(), sizes.in),
                   ResultOf<T>(dx.As<T>() + row * sizes.in, sizes.in));
      }
      if (weights.dw.empty()) return;
      AddParts(context, "mbconv_expand_backward_weights", slices, slice,
               OperandOf<DepthOrder::kOuter>(x.As<T>() + row * sizes.in, sizes.in),
               GradientOperand<DepthOrder::kOuter, T>(gradient, sizes.out), weights.parts, row > 0);
    });
    SumSlicedParts(context, slices, weights);
  });
}

std::size_t ExpandPartsBytes(const Context& context, const MbconvGeometry& g, DType dtype) {
  return std::max(PartsBytes(context, SlicesOf(context, ExpandSizes(g), dtype, true)),
                  PartsBytes(context, SlicesOf(context, ExpandSizes(g), dtype, false)));
}

}  // namespace nasengine::cuda::mbconv
