// Softmax cross-entropy, a block of threads a row.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/cuda/block_reduce.cuh"

namespace nasengine::cuda {

inline constexpr int kLossThreads = 128;

struct LossArgs {
  const float* logits;         // (n, classes), n = gridDim.x
  const std::int32_t* labels;  // (n)
  std::int64_t classes;
  double smoothing;
  double* row_losses;  // (n)
  float* dlogits;      // null: not wanted
  std::int32_t* rank;  // null: not wanted
};

// f64 but for the exponentials: a few additions a class. The row is read again from the caches.
template <int kThreads>
__global__ void __launch_bounds__(kThreads) LossOfRows(LossArgs args) {
  NAS_SHARED(float, shared_largest, kThreads / kWarp);
  NAS_SHARED(double, shared_sums, kThreads / kWarp);
  NAS_SHARED(int, shared_counts, kThreads / kWarp);
  const std::int64_t row = blockIdx.x;
  const float* logits = args.logits + row * args.classes;
  const std::int64_t label = args.labels[row];
  // What a host would refuse becomes a NaN in all that the row takes part in, and ranks last.
  const bool known = label >= 0 && label < args.classes;
  const float own = known ? logits[label] : BitsToFloat(0x7fc00000u);

  float largest = BitsToFloat(0xff800000u);  // -inf
  int before = 0;
  for (std::int64_t k = threadIdx.x; k < args.classes; k += kThreads) {
    const float logit = logits[k];
    largest = fmaxf(largest, logit);
    before += logit > own || (logit == own && k < label) ? 1 : 0;
  }
  largest = BlockReduce<kThreads>(largest, shared_largest, Largest());

  double exponentials = 0, shifted = 0;
  for (std::int64_t k = threadIdx.x; k < args.classes; k += kThreads) {
    const float difference = logits[k] - largest;
    exponentials += static_cast<double>(expf(difference));
    shifted += static_cast<double>(difference);
  }
  exponentials = BlockReduce<kThreads>(exponentials, shared_sums, Sum());
  const double spread = args.smoothing / static_cast<double>(args.classes);
  // Not 0 * -inf where a class is impossible and not asked for.
  if (args.smoothing > 0) {
    shifted = spread * BlockReduce<kThreads>(shifted, shared_sums, Sum());
  } else {
    shifted = 0;
  }
  if (args.rank != nullptr) {
    before = BlockReduce<kThreads>(before, shared_counts, Sum());
    if (threadIdx.x == 0) args.rank[row] = known ? before : static_cast<int>(args.classes);
  }
  if (threadIdx.x == 0) {
    const double distance = static_cast<double>(own) - static_cast<double>(largest);
    args.row_losses[row] = log(exponentials) - (1 - args.smoothing) * distance - shifted;
  }

  if (args.dlogits != nullptr) {
    float* dlogits = args.dlogits + row * args.classes;
    const double n = gridDim.x;
    const double factor = (known ? 1.0 : static_cast<double>(own)) / (exponentials * n);
    for (std::int64_t k = threadIdx.x; k < args.classes; k += kThreads) {
      const double target = (k == label ? 1 - args.smoothing : 0.0) + spread;
      const auto exponential = static_cast<double>(expf(logits[k] - largest));
      dlogits[k] = static_cast<float>(exponential * factor - target / n);
    }
  }
}

}  // namespace nasengine::cuda
