// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda_vendor_handles.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/cublaslt_check.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cudnn_check.h"

namespace nasengine::cuda {
namespace {

constexpr int kRounds = 7;
constexpr int kRunsInARow = 4;
constexpr int kMostTimedPlans = 64;

}  // namespace

VendorHandles::VendorHandles() {
  const char* wanted = std::getenv("NASENGINE_TIME_PLANS");
  if (wanted == nullptr || *wanted == '\0') return;
  char* end = nullptr;
  const long count = std::strtol(wanted, &end, 10);
  NAS_CHECK(*end == '\0' && count >= 1 && count <= kMostTimedPlans, "NASENGINE_TIME_PLANS is '",
            wanted, "', expected 1 to ", kMostTimedPlans);
  timed_plans_ = static_cast<int>(count);
}

std::shared_ptr<cudnnContext> VendorHandles::Cudnn(const Context& context) {
  if (cudnn_ == nullptr) {
    cudnnHandle_t handle = nullptr;
    NAS_CUDNN_CHECK(cudnnCreate(&handle));
    cudnn_ = {handle, [](cudnnHandle_t made) { cudnnDestroy(made); }};
    NAS_CUDNN_CHECK(cudnnSetStream(handle, StreamOf(context)));
  }
  return cudnn_;
}

cublasLtHandle_t VendorHandles::CublasLt() {
  if (cublaslt_ == nullptr) {
    cublasLtHandle_t handle = nullptr;
    NAS_CUBLAS_CHECK(cublasLtCreate(&handle));
    cublaslt_.reset(handle);
  }
  return cublaslt_.get();
}

int Fastest(Context& context, int count, const std::function<void(int)>& run) {
  std::vector<std::vector<double>> seconds(static_cast<std::size_t>(count));
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < count; ++i) {
      std::vector<double>& taken = seconds[static_cast<std::size_t>(i)];
      try {
        // The first one warms up: what it takes is loading, not computing.
        const double all = RealBackend(context).Seconds([&] {
          for (int repeat = 0; repeat < kRunsInARow; ++repeat) run(i);
        });
        if (round > 0) taken.push_back(all);
      } catch (const Error&) {
        taken.assign(1, std::numeric_limits<double>::infinity());
      }
    }
  }
  int fastest = 0;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < count; ++i) {
    std::vector<double>& taken = seconds[static_cast<std::size_t>(i)];
    std::ranges::sort(taken);
    const double median = taken[taken.size() / 2];
    if (median < least) {
      least = median;
      fastest = i;
    }
  }
  return fastest;
}

}  // namespace nasengine::cuda
