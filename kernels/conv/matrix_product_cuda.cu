// SPDX-License-Identifier: MIT
#include "kernels/conv/matrix_product_cuda.cuh"
#include "kernels/conv/matrix_product_cuda.h"
#include "kernels/conv/matrix_product_cuda_split.cuh"
#include "kernels/cuda/for_each_element.cuh"

namespace nasengine::cuda {
namespace {

// A matrix (lines, across) whose rows follow each other.
template <DepthOrder kOrder, class T>
ProductOperand<T, kOrder> Operand(const T* data, std::int64_t across) {
  return {.data = data, .pitch = across, .access = AccessOf(data, across, across), .transform = {}};
}

template <class T, class Out>
StoreResult<Out> Result(Out* data, std::int64_t columns) {
  return {.data = data,
          .wide = AccessOf(data, columns, columns) == Access::kWide &&
                  columns % ProductEngine<T, 1>::kVector == 0};
}

// Of dw's two sizes, the one that fills tiles of rows better becomes the rows of the product.
struct WeightsPlan {
  WeightsPlan(const Context& context, const LayerSizes& sizes) {
    const auto area = [](std::int64_t rows, std::int64_t columns) {
      const int width = ProductPieces(static_cast<int>(columns)) * kPiece;
      return DivideUp(rows, kProductThreads) * DivideUp(columns, width) * width;
    };
    turned = area(sizes.in, sizes.out) < area(sizes.out, sizes.in);
    shape.rows = turned ? sizes.in : sizes.out;
    shape.columns = static_cast<int>(turned ? sizes.out : sizes.in);
    shape.depth = sizes.rows;
    shape.split_depth = SplitDepth(context, shape.rows, shape.columns, shape.depth);
  }
  std::int64_t splits() const { return DivideUp(shape.depth, shape.split_depth); }
  std::size_t bytes() const {
    return static_cast<std::size_t>(splits() * shape.rows * shape.columns) * sizeof(float);
  }

  ProductShape shape{};
  bool turned = false;
};

}  // namespace

void LayerForward(Context& context, const char* name, const LayerSizes& sizes, const ConstView& x,
                  const ConstView& w, const ConstView& bias, Activation activation, const View& y) {
  const ProductShape shape{.rows = sizes.rows,
                           .columns = static_cast<int>(sizes.out),
                           .depth = sizes.in,
                           .split_depth = sizes.in};
  WithDeviceStorage(x.dtype, [&]<class T>(T) {
    const auto a = Operand<DepthOrder::kInner>(x.As<T>(), sizes.in);
    const auto b = Operand<DepthOrder::kInner>(w.As<T>(), sizes.in);
    const auto run = [&]<class Out>(Out* to) {
      StoreResult<Out> result = Result<T>(to, sizes.out);
      result.bias = bias.empty() ? nullptr : bias.As<float>();
      result.activation = activation;
      RunProduct(context, name, shape, a, b, result);
    };
    if (y.dtype == DType::kF32) {
      run(y.As<float>());
    } else {
      if constexpr (sizeof(T) == 2) run(y.As<T>());
    }
  });
}

void LayerBackwardData(Context& context, const char* name, const LayerSizes& sizes,
                       const ConstView& dy, const ConstView& w, const View& dx) {
  const ProductShape shape{.rows = sizes.rows,
                           .columns = static_cast<int>(sizes.in),
                           .depth = sizes.out,
                           .split_depth = sizes.out};
  WithDeviceStorage(dy.dtype, [&]<class T>(T) {
    RunProduct(context, name, shape, Operand<DepthOrder::kInner>(dy.As<T>(), sizes.out),
               Operand<DepthOrder::kOuter>(w.As<T>(), sizes.in), Result<T>(dx.As<T>(), sizes.in));
  });
}

void LayerBackwardWeights(Context& context, const char* name, const LayerSizes& sizes,
                          const ConstView& x, const ConstView& dy, const View& dw, bool accumulate,
                          void* workspace) {
  const WeightsPlan plan(context, sizes);
  auto* const parts = static_cast<float*>(workspace);
  WithDeviceStorage(dy.dtype, [&]<class T>(T) {
    const auto from_x = Operand<DepthOrder::kOuter>(x.As<T>(), sizes.in);
    const auto from_dy = Operand<DepthOrder::kOuter>(dy.As<T>(), sizes.out);
    RunProduct(context, name, plan.shape, plan.turned ? from_x : from_dy,
               plan.turned ? from_dy : from_x, Result<T>(parts, plan.shape.columns));
  });
  RunSplitSum(context, name, parts,
              {.rows = sizes.out,
               .columns = sizes.in,
               .splits = plan.splits(),
               .turned = plan.turned,
               .accumulate = accumulate},
              dw.As<float>());
}

std::size_t LayerBackwardWeightsBytes(const Context& context, const LayerSizes& sizes) {
  return WeightsPlan(context, sizes).bytes();
}

}  // namespace nasengine::cuda
