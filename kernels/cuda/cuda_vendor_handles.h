// The handles of cuDNN and cuBLASLt, made on first use for the stream of a context, and what a user
// may ask of both libraries: context.State<VendorHandles>().
// SPDX-License-Identifier: MIT
#pragma once

#include <cublasLt.h>
#include <cudnn_graph.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>

#include "kernels/core/context.h"
#include "kernels/cuda/cuda_backend.h"

namespace nasengine::cuda {

class VendorHandles {
 public:
  VendorHandles();

  // Plans made with it hold a share, so that it outlives them.
  std::shared_ptr<cudnnContext> Cudnn(const Context& context);
  cublasLtHandle_t CublasLt();

  // How many of a library's plans for a shape are timed on the device when it is first met, of
  // which the fastest serves; 1: the library's favourite, untimed. From the variable
  // NASENGINE_TIME_PLANS.
  int timed_plans() const { return timed_plans_; }

 private:
  struct DestroyLt {
    void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
  };

  std::shared_ptr<cudnnContext> cudnn_;
  std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, DestroyLt> cublaslt_;
  int timed_plans_ = 1;
};

// The device, though the context may only plan for it.
inline CudaBackend& RealBackend(const Context& context) {
  return static_cast<CudaBackend&>(context.backend()).real();
}

// Memory for timings, straight from the device: a context's allocator counts what a step needs. The
// pointer is null where the device has none left.
class TimingMemory {
 public:
  TimingMemory(Context& context, std::size_t bytes)
      : backend_(RealBackend(context)), bytes_(bytes), data_(backend_.Allocate(bytes)) {}
  ~TimingMemory() {
    if (data_ != nullptr) backend_.Free(data_, bytes_);
  }
  TimingMemory(const TimingMemory&) = delete;
  TimingMemory& operator=(const TimingMemory&) = delete;
  void* data() const { return data_; }

 private:
  CudaBackend& backend_;
  std::size_t bytes_;
  void* data_;
};

// Which of `count` candidates takes the device the least time: the median of a few rounds, in which
// all take turns. run(i) submits the i-th once and throws Error where it cannot.
int Fastest(Context& context, int count, const std::function<void(int)>& run);

}  // namespace nasengine::cuda
