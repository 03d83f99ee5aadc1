// SPDX-License-Identifier: MIT
#include "kernels/conv/matrix_product_cuda.h"
#include "kernels/conv/matrix_product_cuda_layer.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine::cuda {

void LayerForward(Context& context, const char* name, const LayerSizes& sizes, const ConstView& x,
                  const ConstView& w, const ConstView& bias, Activation activation, const View& y) {
  const ProductShape shape{.rows = sizes.rows,
                           .columns = static_cast<int>(sizes.out),
                           .depth = sizes.in,
                           .split_depth = sizes.in};
  WithStorage(x.dtype, [&]<class T>(T) {
    const auto a = OperandOf<DepthOrder::kInner>(x.As<T>(), sizes.in);
    const auto b = OperandOf<DepthOrder::kInner>(w.As<T>(), sizes.in);
    const auto run = [&]<class Out>(Out* to) {
      StoreResult<Out> result = ResultOf<T>(to, sizes.out);
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
  WithStorage(dy.dtype, [&]<class T>(T) {
    RunProduct(context, name, shape, OperandOf<DepthOrder::kInner>(dy.As<T>(), sizes.out),
               OperandOf<DepthOrder::kOuter>(w.As<T>(), sizes.in),
               ResultOf<T>(dx.As<T>(), sizes.in));
  });
}

void LayerBackwardWeights(Context& context, const char* name, const LayerSizes& sizes,
                          const ConstView& x, const ConstView& dy, const View& dw, bool accumulate,
                          void* workspace) {
  const WeightsPlan plan(BackendOf(context).multiprocessors(), sizes);
  auto* const parts = static_cast<float*>(workspace);
  WithStorage(dy.dtype, [&]<class T>(T) {
    RunWeightParts(context, name, plan, OperandOf<DepthOrder::kOuter>(x.As<T>(), sizes.in),
                   OperandOf<DepthOrder::kOuter>(dy.As<T>(), sizes.out),
                   ResultOf<T>(parts, plan.shape.columns));
  });
  SumWeightParts(context, plan, parts, accumulate, dw.As<float>());
}

std::size_t LayerBackwardWeightsBytes(const Context& context, const LayerSizes& sizes) {
  return WeightsPlan(BackendOf(context).multiprocessors(), sizes).bytes();
}

}  // namespace nasengine::cuda
