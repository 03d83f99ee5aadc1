// SPDX-License-Identifier: MIT
#include "kernels/linear/matmul_onednn.h"

namespace nasengine {

void BuildMatmulForward(OnednnPlan& plan, const MatmulSizes& sizes, const MatmulTypes& types,
                        bool has_bias, Activation activation) {
  const auto [rows, in, out] = sizes;
  const auto x_desc = [&](DType type) { return OnednnDense({rows, in}, type); };
  // The transpose, read in place.
  const auto w_desc = [&](DType type) { return OnednnStrided({in, out}, {1, in}, type); };
  const auto bias_desc = has_bias ? OnednnDense({1, out}) : dnnl::memory::desc();
  const auto y_desc = OnednnDense({rows, out}, types.y);
  const auto descriptor = OnednnDescribeIn(types.x, [&](DType type) {
    return OnednnGuard(OnednnDescribe<dnnl::matmul>(
        plan.engine(), OnednnAttributes(activation), x_desc(type), w_desc(type), bias_desc,
        type == types.x ? y_desc : OnednnDense({rows, out}, type)));
  });
  const auto x = plan.AddTensor(x_desc(types.x));
  const auto w = plan.AddTensor(w_desc(types.x));
  const auto bias = has_bias ? plan.AddTensor(bias_desc) : OnednnPlan::kNoSlot;
  const auto y = plan.AddTensor(y_desc);
  const auto result = plan.AddResult(y, descriptor.dst_desc());
  plan.AddStep<dnnl::matmul>(descriptor,
                             {{DNNL_ARG_SRC, plan.AddReordered(x, descriptor.src_desc())},
                              {DNNL_ARG_WEIGHTS, plan.AddReordered(w, descriptor.weights_desc())},
                              {DNNL_ARG_BIAS, bias},
                              {DNNL_ARG_DST, result}});
  plan.StoreResult(result, y);
}

void BuildMatmulBackwardData(OnednnPlan& plan, const MatmulSizes& sizes, DType dtype) {
  const auto [rows, in, out] = sizes;
  const auto dy_desc = [&](DType type) { return OnednnDense({rows, out}, type); };
  const auto w_desc = [&](DType type) { return OnednnDense({out, in}, type); };
  const auto dx_desc = [&](DType type) { return OnednnDense({rows, in}, type); };
  const auto descriptor = OnednnDescribeIn(dtype, [&](DType type) {
    return OnednnGuard(OnednnDescribe<dnnl::matmul>(plan.engine(), OnednnAttributes(),
                                                    dy_desc(type), w_desc(type), dx_desc(type)));
  });
  const auto dy = plan.AddTensor(dy_desc(dtype));
  const auto w = plan.AddTensor(w_desc(dtype));
  const auto dx = plan.AddTensor(dx_desc(dtype));
  const auto result = plan.AddResult(dx, descriptor.dst_desc());
  plan.AddStep<dnnl::matmul>(descriptor,
                             {{DNNL_ARG_SRC, plan.AddReordered(dy, descriptor.src_desc())},
                              {DNNL_ARG_WEIGHTS, plan.AddReordered(w, descriptor.weights_desc())},
                              {DNNL_ARG_DST, result}});
  plan.StoreResult(result, dx);
}

}  // namespace nasengine
