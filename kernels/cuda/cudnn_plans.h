// The plans of cuDNN that a context has needed so far, by shape: context.State<CudnnPlans>(). They
// are kept on disk as well (plan_files.h).
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "kernels/core/context.h"
#include "kernels/cuda/cudnn_graph.h"
#include "kernels/cuda/plan_files.h"

namespace nasengine::cuda {

// The tensors of a convolution, of which one is written.
struct ConvTensors {
  const void* x;
  const void* w;
  const void* y;
};

// One convolution on one device.
class PreparedConvolution {
 public:
  // Why there is no plan; empty where there is one.
  const std::string& declined() const { return declined_; }
  std::size_t workspace_bytes() const { return static_cast<std::size_t>(plan_.workspace_bytes); }

  // Submits it. `workspace` has workspace_bytes(). Throws kUnsupported if declined.
  void Run(const ConvTensors& tensors, void* workspace);

 private:
  friend class CudnnPlans;

  std::shared_ptr<cudnnContext> handle_;  // before the plan, which it outlives
  CudnnPlan plan_;
  std::string declined_;
  // The pointers of the last run and what cuDNN made of them: steps repeat their addresses.
  std::array<void*, 4> bound_{};
  CudnnDescriptor pack_;
};

class CudnnPlans {
 public:
  CudnnPlans() : files_(PlanFiles::UsualFolder()) {}

  // Made on first use: from disk, else the first of cuDNN's plans that the filter lets through, or
  // the fastest of several (VendorHandles::timed_plans).
  PreparedConvolution& Get(Context& context, const CudnnConvolution& convolution);

 private:
  using Numbers = std::array<std::int64_t, 14>;

  void Prepare(Context& context, const CudnnConvolution& convolution,
               PreparedConvolution& prepared);

  PlanFiles files_;
  std::map<Numbers, std::unique_ptr<PreparedConvolution>> prepared_;
};

}  // namespace nasengine::cuda
