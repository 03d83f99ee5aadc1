// Convolutions as cuDNN's graph API is asked for them, and the plans that it offers: for a device,
// or for the description of one, where no device is (tests/kernels/cuda/cudnn_plans_test.cc).
//
// Nothing here runs anything. Legacy calls of cuDNN are not used: they need a device.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/conv/conv_geometry.h"
#include "kernels/core/tensor.h"
#include "kernels/cuda/cudnn_descriptor.h"

namespace nasengine::cuda {

enum class ConvDirection { kForward, kBackwardData, kBackwardWeights };
const char* Name(ConvDirection direction);

// One convolution without bias or activation.
//   x (n, h, w, c_in)   y (n, out_h, out_w, c_out)   w (c_out, kernel, kernel, c_in / groups)
// contiguous in this order, as our tensors are; with one group for each channel w is
// (c, kernel, kernel), which our depthwise weights, (kernel, kernel, c), are not. cuDNN takes
// strides that say so, and then ignores them.
struct CudnnConvolution {
  ConvDirection direction = ConvDirection::kForward;
  ConvGeometry geometry{};
  std::int64_t groups = 1;
  std::int64_t out_h = 0;
  std::int64_t out_w = 0;
  DType images = DType::kF32;   // x, y and their gradients
  DType weights = DType::kF32;  // w and its gradient
  // Of the addresses of all three, in bytes.
  std::int64_t alignment = 16;

  friend bool operator==(const CudnnConvolution&, const CudnnConvolution&) = default;
};
// All of one type.
CudnnConvolution DescribeConvolution(ConvDirection direction, const ConvGeometry& geometry,
                                     std::int64_t groups, DType dtype);
// "backward_weights f32 32x28x28x144->144 k5 s1 p2 g144 a16".
std::string ToString(const CudnnConvolution& convolution);

// What plans are built for: a device by a handle of cuDNN's on it, or a description of one.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* description = nullptr;
};
// From JSON, as DeviceDescriptionJson gives it. Throws where cuDNN refuses it.
CudnnDescriptor DeviceDescription(std::string_view json);
std::string DeviceDescriptionJson(cudnnHandle_t handle);

// What cuDNN says of an engine, its way of computing a graph.
struct CudnnEngine {
  std::int64_t index = -1;
  std::vector<cudnnBackendNumericalNote_t> numerical{};
  std::vector<cudnnBackendBehaviorNote_t> behaviour{};

  bool Has(cudnnBackendNumericalNote_t note) const;
  bool Has(cudnnBackendBehaviorNote_t note) const;
};
// "TENSOR_CORE RUNTIME_COMPILATION", "-" without notes.
std::string Notes(const CudnnEngine& engine);

// An engine that no note gives away.
struct InexactEngine {
  ConvDirection direction;
  DType images;
  std::int64_t index;
};
// Beyond what rounding explains (kernels/core/kernel_check.h) on an H200, cuDNN 9.19, depthwise
// 4x28x28x144: relative errors of 5.8e-4 and 9.7e-7 where the others have 2e-7.
inline constexpr InexactEngine kInexactEngines[] = {
    {ConvDirection::kBackwardWeights, DType::kF32, 17},
    {ConvDirection::kBackwardWeights, DType::kF32, 67},
};

// Which engines may serve.
struct EngineFilter {
  // f32 is multiplied as f32: no tensor cores, which take it as TF32, and nothing narrower.
  bool f32_means_f32 = true;
  // Sums in f32, whatever is stored.
  bool sums_in_f32 = true;
  // The terms of the sum are the products: neither Winograd's nor Fourier's transform, whose
  // rounding the tolerance does not know.
  bool plain_terms = true;
  bool deterministic = true;
  std::span<const InexactEngine> inexact = kInexactEngines;
  std::int64_t workspace_limit = std::int64_t{64} << 20;
};
// All of it in a word, for whoever keeps plans that it let through.
std::string ToString(const EngineFilter& filter);
// Why it refuses the engine, by its notes; empty if it does not.
std::string Refusal(const EngineFilter& filter, const CudnnConvolution& convolution,
                    const CudnnEngine& engine);

struct CudnnPlan {
  CudnnDescriptor plan;
  CudnnEngine engine;
  std::int64_t workspace_bytes = 0;
};
// The plan as cuDNN serialises it, and back. LoadPlan throws where cuDNN refuses the text; it does
// not survive every text that PlanJson did not write.
std::string PlanJson(const CudnnPlan& plan);
CudnnPlan LoadPlan(const CudnnTarget& target, std::string_view json);

struct PlanSearch {
  EngineFilter filter{};
  // Whose lists are gone through, in order.
  std::vector<cudnnBackendHeurMode_t> modes = {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  // Plans wanted. Building one may compile its kernel, which takes up to seconds.
  std::size_t most = 1;
};
struct PlansFound {
  std::vector<CudnnPlan> plans;
  // What the lists held before the last plan and why it did not serve, for messages.
  std::string refused;
  int offered = 0;  // engine configurations looked at
};
// The first plans of the lists that the filter lets through. Throws kUnsupported where cuDNN
// refuses the convolution itself.
PlansFound FindPlans(const CudnnConvolution& convolution, const CudnnTarget& target,
                     const PlanSearch& search);

// The unique ids of the tensors in a plan.
inline constexpr std::int64_t kIdX = 1;
inline constexpr std::int64_t kIdW = 2;
inline constexpr std::int64_t kIdY = 3;

}  // namespace nasengine::cuda
