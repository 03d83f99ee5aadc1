// SPDX-License-Identifier: MIT
#include "kernels/conv/conv_cudnn.h"

#include <cstdint>
#include <initializer_list>
#include <optional>

#include "kernels/conv/depthwise_conv_cudnn_layout.h"
#include "kernels/core/error.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/cudnn_plans.h"
#include "kernels/cuda/vendor_steps.h"
#include "kernels/cuda/workspace_pieces.h"

namespace nasengine::cuda {
namespace {

// A tensor as cuDNN gets it: in the workspace where it is converted, else where the caller has it.
struct Operand {
  ConstView caller;
  DType dtype = DType::kF32;
  std::optional<std::size_t> piece{};

  ConstView In(std::byte* workspace) const {
    if (!piece) return caller;
    return {workspace + *piece, caller.shape, dtype};
  }
};

View Writable(ConstView view) { return {const_cast<void*>(view.data), view.shape, view.dtype}; }

struct Steps {
  CudnnConvolution asked;
  Operand x, w, y;
  std::size_t scratch = 0;
  WorkspacePieces pieces;
  PreparedConvolution* plan = nullptr;
};

constexpr std::int64_t kWideAlignment = 16;

Steps StepsOf(Context& context, const ConvCall& call) {
  Steps steps;
  steps.asked =
      AskCudnn(call.direction, call.kind, call.geometry, call.x.dtype, !call.bias.empty());
  steps.x = {.caller = call.x, .dtype = steps.asked.images};
  steps.w = {.caller = call.w, .dtype = steps.asked.weights};
  steps.y = {.caller = call.y, .dtype = steps.asked.images};
  for (Operand* operand : {&steps.x, &steps.w, &steps.y}) {
    const bool reordered = operand == &steps.w && call.kind == ConvKind::kDepthwise;
    const bool added = operand == &steps.w && call.accumulate;
    if (operand->caller.dtype != operand->dtype || reordered || added) {
      operand->piece = steps.pieces.Add(operand->caller.elements() * SizeOf(operand->dtype));
    } else if (reinterpret_cast<std::uintptr_t>(operand->caller.data) % kWideAlignment != 0) {
      steps.asked.alignment = SizeOf(operand->dtype);
    }
  }
  steps.plan = &context.State<CudnnPlans>().Get(context, steps.asked);
  steps.scratch = steps.pieces.Add(static_cast<std::int64_t>(steps.plan->workspace_bytes()));
  return steps;
}

bool IsEmpty(const ConvCall& call) { return call.geometry.n == 0; }

void ConvertInputs(Context& context, const ConvCall& call, const Steps& steps,
                   std::byte* workspace) {
  const bool x_is_read = call.direction != ConvDirection::kBackwardData;
  const bool y_is_read = call.direction != ConvDirection::kForward;
  const bool w_is_read = call.direction != ConvDirection::kBackwardWeights;
  if (steps.x.piece && x_is_read) Widen(context, call.x, Writable(steps.x.In(workspace)));
  if (steps.y.piece && y_is_read) Widen(context, call.y, Writable(steps.y.In(workspace)));
  if (!steps.w.piece || !w_is_read) return;
  if (call.kind == ConvKind::kDepthwise) {
    ToCudnnWeights(context, call.w, Writable(steps.w.In(workspace)));
  } else {
    Widen(context, call.w, Writable(steps.w.In(workspace)));
  }
}

void StoreResult(Context& context, const ConvCall& call, const Steps& steps, std::byte* workspace) {
  if (call.direction == ConvDirection::kForward) {
    const bool done = !steps.y.piece && call.activation == Activation::kNone;
    if (done) return;
    AddBiasAndActivate(context, steps.y.In(workspace), call.bias, call.activation,
                       Writable(call.y));
  } else if (call.direction == ConvDirection::kBackwardWeights && steps.w.piece) {
    if (call.kind == ConvKind::kDepthwise) {
      FromCudnnWeights(context, steps.w.In(workspace), call.accumulate, Writable(call.w));
    } else {
      AddTo(context, steps.w.In(workspace), Writable(call.w));
    }
  }
}

}  // namespace

std::string CudnnDeclines(Context& context, const ConvCall& call) {
  for (const ConstView& view : {call.x, call.w, call.y}) {
    if (view.dtype == DType::kF64) return "f64 is for the reference";
    if (view.dtype != DType::kF32 && view.dtype != DType::kBf16) {
      return StrCat("cuDNN: type is ", nasengine::Name(view.dtype), ", expected f32 or bf16");
    }
  }
  const ConvGeometry& g = call.geometry;
  if (g.h < 1 || g.w < 1 || g.c_in < 1 || g.c_out < 1) return "cuDNN: the image is empty";
  if (IsEmpty(call)) return "";
  return StepsOf(context, call).plan->declined();
}

std::size_t CudnnWorkspace(Context& context, const ConvCall& call) {
  return IsEmpty(call) ? 0 : StepsOf(context, call).pieces.total_bytes();
}

void RunCudnn(Context& context, const ConvCall& call) {
  if (IsEmpty(call)) {
    if (call.direction == ConvDirection::kBackwardWeights && !call.accumulate) {
      NAS_CUDA_CHECK(cudaMemsetAsync(const_cast<void*>(call.w.data), 0,
                                     static_cast<std::size_t>(call.w.bytes()), StreamOf(context)));
    }
    return;
  }
  const Steps steps = StepsOf(context, call);
  std::byte* workspace = steps.pieces.Take(context);
  ConvertInputs(context, call, steps, workspace);
  steps.plan->Run({.x = steps.x.In(workspace).data,
                   .w = steps.w.In(workspace).data,
                   .y = steps.y.In(workspace).data},
                  workspace == nullptr ? nullptr : workspace + steps.scratch);
  StoreResult(context, call, steps, workspace);
}

}  // namespace nasengine::cuda
