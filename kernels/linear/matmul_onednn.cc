// SPDX-License-Identifier: MIT
#include "kernels/linear/matmul_onednn.h"

namespace nasengine {

void BuildMatmulForward(OnednnPlan& plan, const MatmulSizes& sizes, bool has_bias,
                        Activation activation) {
  const auto [rows, in, out] = sizes;
  const auto x_desc = OnednnDense({rows, in});
  const auto w_desc = OnednnStrided({in, out}, {1, in});  // the transpose, read in place
  const auto bias_desc = has_bias ? OnednnDense({1, out}) : dnnl::memory::desc();
  const auto y_desc = OnednnDense({rows, out});
  const auto descriptor = OnednnGuard(OnednnDescribe<dnnl::matmul>(
      plan.engine(), OnednnAttributes(activation), x_desc, w_desc, bias_desc, y_desc));
  const auto x = plan.AddTensor(x_desc);
  const auto w = plan.AddTensor(w_desc);
  const auto bias = has_bias ? plan.AddTensor(bias_desc) : OnednnPlan::kNoSlot;
  const auto y = plan.AddTensor(y_desc);
  plan.AddStep<dnnl::matmul>(
      descriptor,
      {{DNNL_ARG_SRC, x}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, y}});
}

void BuildMatmulBackwardData(OnednnPlan& plan, const MatmulSizes& sizes) {
  const auto [rows, in, out] = sizes;
  const auto dy_desc = OnednnDense({rows, out});
  const auto w_desc = OnednnDense({out, in});
  const auto dx_desc = OnednnDense({rows, in});
  const auto descriptor = OnednnGuard(
      OnednnDescribe<dnnl::matmul>(plan.engine(), OnednnAttributes(), dy_desc, w_desc, dx_desc));
  const auto dy = plan.AddTensor(dy_desc);
  const auto w = plan.AddTensor(w_desc);
  const auto dx = plan.AddTensor(dx_desc);
  plan.AddStep<dnnl::matmul>(descriptor,
                             {{DNNL_ARG_SRC, dy}, {DNNL_ARG_WEIGHTS, w}, {DNNL_ARG_DST, dx}});
}

}  // namespace nasengine
