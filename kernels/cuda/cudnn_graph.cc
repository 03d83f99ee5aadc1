// SPDX-License-Identifier: MIT
#include "kernels/cuda/cudnn_graph.h"

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine::cuda {
namespace {

cudnnDataType_t CudnnType(DType dtype) {
  NAS_CHECK(dtype == DType::kF32 || dtype == DType::kBf16, "cuDNN: type is ",
            nasengine::Name(dtype), ", expected f32 or bf16");
  return dtype == DType::kBf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

// Sizes n, c, h, w of a tensor that lies in memory as (n, h, w, c).
CudnnDescriptor DescribeTensor(std::int64_t id, DType dtype, std::int64_t alignment,
                               const std::array<std::int64_t, 4>& sizes) {
  const auto [n, c, h, w] = sizes;
  const std::array<std::int64_t, 4> strides = {h * w * c, 1, w * c, c};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.Set(CUDNN_ATTR_TENSOR_DATA_TYPE, CudnnType(dtype));
  tensor.Set(CUDNN_ATTR_TENSOR_DIMENSIONS, sizes);
  tensor.Set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  tensor.Set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  tensor.Set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, alignment);
  tensor.Finalize("cuDNN: tensor");
  return tensor;
}

CudnnDescriptor DescribeWindow(const ConvGeometry& g) {
  const std::array<std::int64_t, 2> dilation = {1, 1};
  const std::array<std::int64_t, 2> stride = {g.stride, g.stride};
  const std::array<std::int64_t, 2> pad = {g.pad, g.pad};
  CudnnDescriptor window(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  window.Set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
  window.Set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  window.Set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  window.Set(CUDNN_ATTR_CONVOLUTION_DILATIONS, dilation);
  window.Set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, stride);
  window.Set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pad);
  window.Set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pad);
  window.Finalize("cuDNN: window");
  return window;
}

// The names that one and the same attribute has in the three operations.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, w, y, window, alpha, beta;
};

OperationNames NamesOf(ConvDirection direction) {
  switch (direction) {
    case ConvDirection::kBackwardData:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvDirection::kBackwardWeights:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    case ConvDirection::kForward:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

CudnnDescriptor BuildGraph(const CudnnConvolution& c, cudnnHandle_t handle) {
  const ConvGeometry& g = c.geometry;
  const CudnnDescriptor x = DescribeTensor(kIdX, c.images, c.alignment, {g.n, g.c_in, g.h, g.w});
  const CudnnDescriptor w = DescribeTensor(kIdW, c.weights, c.alignment,
                                           {g.c_out, g.c_in / c.groups, g.kernel, g.kernel});
  const CudnnDescriptor y =
      DescribeTensor(kIdY, c.images, c.alignment, {g.n, g.c_out, c.out_h, c.out_w});
  const CudnnDescriptor window = DescribeWindow(g);
  const OperationNames names = NamesOf(c.direction);
  CudnnDescriptor operation(names.type);
  operation.Set(names.x, x);
  operation.Set(names.w, w);
  operation.Set(names.y, y);
  operation.Set(names.window, window);
  operation.Set(names.alpha, 1.0f);
  operation.Set(names.beta, 0.0f);
  operation.Finalize("cuDNN: convolution");
  CudnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.Set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
  if (handle != nullptr) graph.Set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
  graph.Finalize("cuDNN: graph");
  return graph;
}

// The engine configurations that a heuristic has for the graph, its favourite first.
std::vector<CudnnDescriptor> Configurations(const CudnnDescriptor& graph, const CudnnTarget& target,
                                            cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.Set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.Set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  if (target.description != nullptr) {
    heuristic.Set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.description);
  }
  std::vector<CudnnDescriptor> configurations;
  if (heuristic.TryFinalize() != CUDNN_STATUS_SUCCESS) return configurations;
  const auto count = heuristic.Count(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR);
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::int64_t i = 0; i < count; ++i) {
    configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(configurations.back().get());
  }
  const auto filled = count == 0 ? 0
                                 : heuristic.Get(CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, std::span(raw));
  configurations.resize(static_cast<std::size_t>(std::min(count, filled)));
  return configurations;
}

template <class Note>
std::vector<Note> ReadNotes(const CudnnDescriptor& engine, cudnnBackendAttributeName_t name,
                            cudnnBackendAttributeType_t type) {
  std::vector<Note> notes(static_cast<std::size_t>(engine.Count(name, type)));
  if (!notes.empty())
    notes.resize(static_cast<std::size_t>(engine.Get(name, type, std::span(notes))));
  return notes;
}

CudnnEngine EngineOf(const CudnnDescriptor& configuration) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  configuration.Get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                    std::span<cudnnBackendDescriptor_t>(&raw, 1));
  CudnnEngine result;
  engine.Get(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64,
             std::span<std::int64_t>(&result.index, 1));
  result.numerical = ReadNotes<cudnnBackendNumericalNote_t>(
      engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE);
  result.behaviour = ReadNotes<cudnnBackendBehaviorNote_t>(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                                           CUDNN_TYPE_BEHAVIOR_NOTE);
  return result;
}

void SetTarget(CudnnDescriptor& plan, const CudnnTarget& target) {
  if (target.handle != nullptr) plan.Set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, target.handle);
  if (target.description != nullptr) {
    plan.Set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.description);
  }
}

std::int64_t WorkspaceBytes(const CudnnDescriptor& plan) {
  std::int64_t bytes = 0;
  plan.Get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
           std::span<std::int64_t>(&bytes, 1));
  return bytes;
}

// Builds the configuration's plan into `found`, or notes why it does not serve.
void TryConfiguration(const CudnnConvolution& convolution, const CudnnTarget& target,
                      const EngineFilter& filter, const CudnnDescriptor& configuration,
                      PlansFound& found) {
  CudnnPlan plan{.plan = {}, .engine = EngineOf(configuration)};
  std::string refusal = Refusal(filter, convolution, plan.engine);
  if (refusal.empty()) {
    plan.plan = CudnnDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    SetTarget(plan.plan, target);
    plan.plan.Set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    const cudnnStatus_t status = plan.plan.TryFinalize();
    if (status == CUDNN_STATUS_SUCCESS) {
      plan.workspace_bytes = WorkspaceBytes(plan.plan);
      if (plan.workspace_bytes <= filter.workspace_limit) {
        found.plans.push_back(std::move(plan));
        return;
      }
      refusal = StrCat("wants ", plan.workspace_bytes, " bytes of workspace");
    } else {
      refusal = CudnnReason(status);
    }
  }
  found.refused +=
      StrCat(found.refused.empty() ? "" : "; ", "engine ", plan.engine.index, ": ", refusal);
}

}  // namespace

const char* Name(ConvDirection direction) {
  switch (direction) {
    case ConvDirection::kBackwardData:
      return "backward_data";
    case ConvDirection::kBackwardWeights:
      return "backward_weights";
    case ConvDirection::kForward:
      break;
  }
  return "forward";
}

CudnnConvolution DescribeConvolution(ConvDirection direction, const ConvGeometry& geometry,
                                     std::int64_t groups, DType dtype) {
  return {.direction = direction,
          .geometry = geometry,
          .groups = groups,
          .out_h = geometry.out_h(),
          .out_w = geometry.out_w(),
          .images = dtype,
          .weights = dtype};
}

std::string ToString(const CudnnConvolution& c) {
  const std::string types =
      c.images == c.weights ? std::string(nasengine::Name(c.images))
                            : StrCat(nasengine::Name(c.images), "/", nasengine::Name(c.weights));
  return StrCat(Name(c.direction), " ", types, " ", ToString(c.geometry), " p", c.geometry.pad,
                " g", c.groups, " a", c.alignment);
}

CudnnDescriptor DeviceDescription(std::string_view json) {
  CudnnDescriptor description(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  description.Set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, json);
  description.Finalize("cuDNN: description of a device");
  return description;
}

std::string DeviceDescriptionJson(cudnnHandle_t handle) {
  CudnnDescriptor description(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  description.Set(CUDNN_ATTR_DEVICEPROP_HANDLE, handle);
  description.Finalize("cuDNN: description of a device");
  std::string json(static_cast<std::size_t>(description.Count(
                       CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR)),
                   '\0');
  description.Get(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::span(json));
  return json;
}

bool CudnnEngine::Has(cudnnBackendNumericalNote_t note) const {
  return std::ranges::find(numerical, note) != numerical.end();
}
bool CudnnEngine::Has(cudnnBackendBehaviorNote_t note) const {
  return std::ranges::find(behaviour, note) != behaviour.end();
}

std::string Notes(const CudnnEngine& engine) {
  static constexpr const char* kNumerical[] = {"TENSOR_CORE",
                                               "DOWN_CONVERT_INPUTS",
                                               "REDUCED_PRECISION_REDUCTION",
                                               "FFT",
                                               "NONDETERMINISTIC",
                                               "WINOGRAD",
                                               "WINOGRAD_TILE_4x4",
                                               "WINOGRAD_TILE_6x6",
                                               "WINOGRAD_TILE_13x13",
                                               "STRICT_NAN_PROP"};
  static constexpr const char* kBehaviour[] = {"RUNTIME_COMPILATION", "REQUIRES_FILTER_REORDER",
                                               "REQUIRES_BIAS_REORDER", "CUDA_GRAPH_NATIVE_API",
                                               "CUBLASLT_DEPENDENCY"};
  std::string text;
  const auto append = [&text](std::span<const char* const> names, int note) {
    const auto index = static_cast<std::size_t>(note);
    text += StrCat(text.empty() ? "" : " ",
                   index < names.size() ? std::string(names[index]) : StrCat("NOTE_", note));
  };
  for (const auto note : engine.numerical) append(kNumerical, note);
  for (const auto note : engine.behaviour) append(kBehaviour, note);
  return text.empty() ? "-" : text;
}

std::string ToString(const EngineFilter& filter) {
  std::string text = StrCat(filter.f32_means_f32, filter.sums_in_f32, filter.plain_terms,
                            filter.deterministic, "-", filter.workspace_limit);
  for (const InexactEngine& engine : filter.inexact) {
    text += StrCat("-", Name(engine.direction), nasengine::Name(engine.images), engine.index);
  }
  return text;
}

std::string Refusal(const EngineFilter& filter, const CudnnConvolution& convolution,
                    const CudnnEngine& engine) {
  const bool f32 = convolution.images == DType::kF32;
  for (const cudnnBackendNumericalNote_t note : engine.numerical) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        if (filter.f32_means_f32 && f32) return "multiplies f32 as something narrower";
        break;
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        if (filter.sums_in_f32) return "sums in less than f32";
        break;
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        if (filter.plain_terms) return "sums transforms of the terms";
        break;
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        if (filter.deterministic) return "is not deterministic";
        break;
      default:
        break;
    }
  }
  if (engine.Has(CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER) ||
      engine.Has(CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER)) {
    return "wants its operands reordered";
  }
  for (const InexactEngine& known : filter.inexact) {
    if (known.direction == convolution.direction && known.images == convolution.images &&
        known.index == engine.index) {
      return "is known to be inexact";
    }
  }
  return "";
}

std::string PlanJson(const CudnnPlan& plan) {
  std::string json(static_cast<std::size_t>(plan.plan.Count(
                       CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR)),
                   '\0');
  plan.plan.Get(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, std::span(json));
  return json;
}

CudnnPlan LoadPlan(const CudnnTarget& target, std::string_view json) {
  CudnnPlan plan;
  plan.plan = CudnnDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  SetTarget(plan.plan, target);
  plan.plan.Set(CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION, json);
  plan.plan.Finalize("cuDNN: plan from a file");
  plan.workspace_bytes = WorkspaceBytes(plan.plan);
  return plan;
}

PlansFound FindPlans(const CudnnConvolution& convolution, const CudnnTarget& target,
                     const PlanSearch& search) {
  NAS_CHECK((target.handle == nullptr) != (target.description == nullptr),
            "cuDNN: plans are for a handle or for a description, one of both");
  const CudnnDescriptor graph = BuildGraph(convolution, target.handle);
  PlansFound found;
  for (const cudnnBackendHeurMode_t mode : search.modes) {
    for (const CudnnDescriptor& configuration : Configurations(graph, target, mode)) {
      if (found.plans.size() >= search.most) return found;
      ++found.offered;
      TryConfiguration(convolution, target, search.filter, configuration, found);
    }
  }
  return found;
}

}  // namespace nasengine::cuda
