// SPDX-License-Identifier: MIT
#include "kernels/cuda/launch.h"
#include "kernels/cuda/sum_parts.cuh"
#include "kernels/cuda/sum_parts.h"

namespace nasengine::cuda {
namespace {

template <class Place>
void Run(Context& context, const float* partial, std::int64_t parts, std::int64_t elements,
         const Place& place, bool accumulate, float* result) {
  const auto blocks = static_cast<unsigned>(DivideUp(elements, kPartElements));
  Launch(context, "sum_parts", &SumPartsKernel<Place>,
         {.grid = dim3(blocks), .block = dim3(kPartElements, kPartRows)}, partial, parts, elements,
         place, accumulate, result);
}

}  // namespace

void SumParts(Context& context, const float* partial, std::int64_t parts, std::int64_t elements,
              bool accumulate, float* result) {
  Run(context, partial, parts, elements, SamePlace{}, accumulate, result);
}

void SumTurnedParts(Context& context, const float* partial, std::int64_t parts, std::int64_t rows,
                    std::int64_t columns, bool accumulate, float* result) {
  Run(context, partial, parts, rows * columns, TurnedPlace{rows, columns}, accumulate, result);
}

}  // namespace nasengine::cuda
