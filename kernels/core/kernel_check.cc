// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_check.h"

#include <cmath>
#include <limits>

#include "kernels/core/bfloat16.h"

namespace nasengine {
namespace {

double ReadElement(ConstView view, std::int64_t i) {
  switch (view.dtype) {
    case DType::kF32:
      return view.As<float>()[i];
    case DType::kBf16:
      return Widen(view.As<BFloat16>()[i]);
    case DType::kI32:
      return view.As<std::int32_t>()[i];
    case DType::kU8:
      return view.As<std::uint8_t>()[i];
    case DType::kF64:
      break;
  }
  return view.As<double>()[i];
}

}  // namespace

double ComparisonTolerance(double error_scale, DType storage, double reference_value) {
  constexpr double kF32Epsilon = std::numeric_limits<float>::epsilon();
  const double storage_epsilon = storage == DType::kBf16 ? 0x1p-8 : 0.0;
  return 8 * kF32Epsilon * error_scale + 2 * storage_epsilon * std::abs(reference_value);
}

void CompareOutputs(const std::string& what, ConstView result, ConstView reference,
                    double error_scale) {
  NAS_CHECK(result.shape == reference.shape && result.dtype == reference.dtype, what,
            ": compared with another shape or type");
  for (std::int64_t i = 0; i < reference.elements(); ++i) {
    const double found = ReadElement(result, i);
    const double expected = ReadElement(reference, i);
    const double tolerance = ComparisonTolerance(error_scale, reference.dtype, expected);
    const bool close = std::abs(found - expected) <= tolerance;
    const bool same_non_finite = !std::isfinite(expected) && !std::isfinite(found);
    if (close || same_non_finite) continue;
    Throw(ErrorCode::kInvalidArgument, what, ": element ", i, " of ", ToString(reference.shape),
          " is ", found, ", the reference says ", expected, ", tolerance ", tolerance);
  }
}

}  // namespace nasengine
