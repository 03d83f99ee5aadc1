// SPDX-License-Identifier: MIT
#include "kernels/conv/sum_parts_cuda.cuh"
#include "kernels/conv/sum_parts_cuda.h"
#include "kernels/cuda/launch.h"

namespace nasengine::cuda {

void SumParts(Context& context, const float* partial, std::int64_t parts, std::int64_t elements,
              bool accumulate, float* result) {
  const auto blocks = static_cast<unsigned>(DivideUp(elements, kSumLanes));
  Launch(context, "sum_parts", &SumPartsKernel<kSumRows>, {dim3(blocks), dim3(kSumLanes, kSumRows)},
         partial, parts, elements, accumulate, result);
}

}  // namespace nasengine::cuda
