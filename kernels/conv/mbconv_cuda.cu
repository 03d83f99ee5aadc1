// The fused MBConv on CUDA: its phases in order, what they leave each other, and its registration.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <initializer_list>
#include <string>

#include "kernels/conv/composition.h"
#include "kernels/conv/matrix_product_cuda.h"
#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/mbconv_cuda.h"
#include "kernels/conv/mbconv_cuda_plan.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/cuda/workspace_pieces.h"

namespace nasengine {
namespace cuda::mbconv {
namespace {

NormParameters ParametersOf(const MbconvStage& stage, const ConstView& mean,
                            const ConstView& inv_std, Activation activation) {
  return {.mean = mean.As<float>(),
          .spread = inv_std.As<float>(),
          .gamma = stage.gamma.As<float>(),
          .beta = stage.beta.As<float>(),
          .epsilon = 0,
          .activation = activation};
}

float* Optional(const View& view) { return view.empty() ? nullptr : view.As<float>(); }

std::int64_t Rows(const MbconvGeometry& g) { return ExpandSizes(g).rows; }
std::int64_t OutRows(const MbconvGeometry& g) { return ProjectSizes(g).rows; }

void Finish(Context& context, const PartialSums<double>& sums, std::int64_t rows,
            const MbconvNorm& norm, const MbconvForward::Statistics& statistics) {
  FinaliseStatistics(context, sums, nullptr,
                     {.rows = rows,
                      .c = statistics.mean.elements(),
                      .epsilon = norm.epsilon,
                      .momentum = norm.momentum,
                      .mean = statistics.mean.As<float>(),
                      .inv_std = statistics.inv_std.As<float>(),
                      .running_mean = Optional(statistics.running_mean),
                      .running_var = Optional(statistics.running_var)});
}

std::size_t ForwardWorkspace(Context& context, const MbconvForward::Args& args) {
  CheckArguments(args);
  const MbconvGeometry& g = args.geometry;
  if (OnlyExpands(args)) return 0;
  const std::size_t expand = args.expand.w.empty() ? 0 : ProductSumBytes(Rows(g), g.expanded);
  return std::max(
      {expand, DepthwiseSumBytes(context, g, args.x.dtype), ProductSumBytes(OutRows(g), g.c_out)});
}

void Forward(Context& context, const MbconvForward::Args& args) {
  CheckArguments(args);
  const MbconvGeometry& g = args.geometry;
  const Activation activation = args.norm.activation;
  if (OnlyExpands(args)) {
    return LayerForward(context, "mbconv_expand", ExpandSizes(g), args.x, args.expand.w, {},
                        Activation::kNone, args.e1);
  }
  auto* const partial = static_cast<double*>(context.Workspace(ForwardWorkspace(context, args)));
  NormParameters expand{};
  const bool expands = !args.expand.w.empty();
  if (expands) {
    Finish(context, Expand(context, g, args.x, args.expand.w, args.e1, partial), Rows(g), args.norm,
           args.expand_statistics);
    expand = ParametersOf(args.expand, args.expand_statistics.mean, args.expand_statistics.inv_std,
                          activation);
  }
  Finish(context,
         Depthwise(context, g, expands ? ConstView(args.e1) : args.x, expands ? &expand : nullptr,
                   args.depthwise.w, args.e2, partial),
         OutRows(g), args.norm, args.depthwise_statistics);
  const NormParameters depthwise = ParametersOf(args.depthwise, args.depthwise_statistics.mean,
                                                args.depthwise_statistics.inv_std, activation);
  Finish(context, Project(context, g, args.e2, depthwise, args.project.w, args.o, partial),
         OutRows(g), args.norm, args.project_statistics);
  if (args.y.empty()) return;
  ApplyNorm(context, "mbconv_norm", args.o,
            ParametersOf(args.project, args.project_statistics.mean,
                         args.project_statistics.inv_std, Activation::kNone),
            args.y);
}

// A block's backward pass: what its phases share.
class Backward {
 public:
  Backward(Context& context, const MbconvBackward::Args& args)
      : context_(context),
        args_(args),
        g_(args.geometry),
        expands_(!args.expand.w.empty()),
        wants_weights_(!args.project_gradient.dw.empty()),
        rows_at_(pieces_.Add(RowsBytes())),
        sums_at_(pieces_.Add(static_cast<std::int64_t>(SumBytes()))),
        parts_at_(pieces_.Add(static_cast<std::int64_t>(PartsBytes()))) {
    const Activation activation = args.norm.activation;
    if (expands_) {
      expand_ = ParametersOf(args.expand, args.expand_statistics.mean,
                             args.expand_statistics.inv_std, activation);
    }
    depthwise_ = ParametersOf(args.depthwise, args.depthwise_statistics.mean,
                              args.depthwise_statistics.inv_std, activation);
    project_ = ParametersOf(args.project, args.project_statistics.mean,
                            args.project_statistics.inv_std, Activation::kNone);
  }

  std::size_t workspace_bytes() const { return pieces_.total_bytes(); }
  // For g1 where g2's tensor is given for it: blocks read rows of g2 that others would have
  // overwritten. Undefined elsewhere.
  Tensor OwnGradient() const {
    if (!expands_ || args_.g1.data != args_.g2.data) return {};
    return composition::Temporary(context_, g_.E1Shape(), args_.dy.dtype);
  }

  void Run() {
    std::byte* const workspace = pieces_.Take(context_);
    next_row_ = reinterpret_cast<float*>(workspace + rows_at_);
    sums_ = reinterpret_cast<double*>(workspace + sums_at_);
    parts_ = reinterpret_cast<float*>(workspace + parts_at_);
    const GradientThroughNorm d_e2 = ThroughProjection();
    if (expands_) {
      ThroughExpansion(d_e2);
    } else {
      ToInput(d_e2);
    }
  }

 private:
  // Slope and offset of three batch norms.
  std::int64_t RowsBytes() const {
    return 2 * (2 * g_.expanded + g_.c_out) * static_cast<std::int64_t>(sizeof(float));
  }
  // Phases follow each other, and so do their uses of the workspace.
  std::size_t SumBytes() const {
    const DType dtype = args_.dy.dtype;
    const std::size_t project = std::max(GradientSumBytes(context_, args_.o, args_.dy),
                                         ProductSumBytes(OutRows(g_), g_.expanded));
    if (!expands_) return project;
    return std::max(project, wants_weights_ ? DepthwiseBackwardSumBytes(context_, g_, dtype)
                                            : DepthwiseBackwardDataSumBytes(context_, g_, dtype));
  }
  std::size_t PartsBytes() const {
    if (!wants_weights_) return 0;
    const DType dtype = args_.dy.dtype;
    const std::size_t project = ProjectPartsBytes(context_, g_, dtype);
    if (expands_) {
      return std::max({project, DepthwisePartsBytes(context_, g_, dtype, true),
                       ExpandPartsBytes(context_, g_, dtype)});
    }
    return std::max(project, args_.dx.empty() ? DepthwiseWeightsPartsBytes(context_, g_, dtype)
                                              : DepthwisePartsBytes(context_, g_, dtype, false));
  }

  WeightsGradient Weights(const MbconvBackward::StageGradient& gradient) const {
    return {.dw = gradient.dw, .accumulate = args_.accumulate, .parts = parts_};
  }

  // The gradient of what a norm has read, from that of its output and the sums of that.
  GradientThroughNorm Finish(const PartialSums<double>& sums, std::int64_t rows,
                             const NormParameters& norm,
                             const MbconvBackward::StageGradient& gradient, const ConstView& g,
                             const ConstView& x) {
    const std::int64_t c = x.shape.back();
    float* const slope = next_row_;
    float* const offset = slope + c;
    next_row_ = offset + c;
    FinaliseGradients(context_, sums,
                      {.rows = rows,
                       .c = c,
                       .gamma = norm.gamma,
                       .inv_std = norm.spread,
                       .accumulate = args_.accumulate,
                       .dgamma = Optional(gradient.dgamma),
                       .dbeta = Optional(gradient.dbeta),
                       .slope = slope,
                       .offset = offset});
    return {.g = g.data, .x = x.data, .norm = norm, .slope = slope, .offset = offset};
  }

  GradientThroughNorm ThroughProjection() {
    const GradientThroughNorm d_o =
        Finish(SumGradients(context_, "mbconv_norm_backward", args_.o, args_.dy, project_, sums_),
               OutRows(g_), project_, args_.project_gradient, args_.dy, args_.o);
    return Finish(ProjectBackward(context_, g_, d_o, args_.project.w, args_.e2, depthwise_,
                                  args_.g2, Weights(args_.project_gradient), sums_),
                  OutRows(g_), depthwise_, args_.depthwise_gradient, args_.g2, args_.e2);
  }

  void ThroughExpansion(const GradientThroughNorm& d_e2) {
    const Tensor own = OwnGradient();
    const View g1 = own.defined() ? own.view() : args_.g1;
    const PartialSums<double> sums =
        wants_weights_ ? DepthwiseBackward(context_, g_, d_e2, args_.depthwise.w, args_.e1, expand_,
                                           g1, Weights(args_.depthwise_gradient), sums_)
                       : DepthwiseBackwardData(context_, g_, d_e2, args_.depthwise.w, args_.e1,
                                               expand_, g1, sums_);
    const GradientThroughNorm d_e1 =
        Finish(sums, Rows(g_), expand_, args_.expand_gradient, g1, args_.e1);
    ExpandBackward(context_, g_, d_e1, args_.expand.w, args_.x, args_.dx,
                   Weights(args_.expand_gradient));
  }

  void ToInput(const GradientThroughNorm& d_e2) {
    const WeightsGradient weights = Weights(args_.depthwise_gradient);
    if (args_.dx.empty()) {
      if (wants_weights_) DepthwiseBackwardWeights(context_, g_, args_.x, d_e2, weights);
    } else if (wants_weights_) {
      DepthwiseBackward(context_, g_, d_e2, args_.depthwise.w, args_.x, args_.dx, weights);
    } else {
      DepthwiseBackwardData(context_, g_, d_e2, args_.depthwise.w, args_.dx);
    }
  }

  Context& context_;
  const MbconvBackward::Args& args_;
  const MbconvGeometry& g_;
  bool expands_;
  bool wants_weights_;
  WorkspacePieces pieces_;
  std::size_t rows_at_;
  std::size_t sums_at_;
  std::size_t parts_at_;
  NormParameters expand_{};
  NormParameters depthwise_{};
  NormParameters project_{};
  float* next_row_ = nullptr;
  double* sums_ = nullptr;
  float* parts_ = nullptr;
};

std::string Declines(const MbconvGeometry& g, DType dtype,
                     std::initializer_list<const void*> tensors) {
  if (dtype != DType::kF32 && dtype != DType::kBf16) {
    return StrCat("takes f32 and bf16, not ", Name(dtype));
  }
  if (g.kernel != 3 && g.kernel != 5 && g.kernel != 7) {
    return StrCat("takes kernels 3, 5 and 7, not ", g.kernel);
  }
  if (g.stride != 1 && g.stride != 2) return StrCat("takes strides 1 and 2, not ", g.stride);
  if (g.n * g.h * g.w == 0) return "takes no empty batch";
  // Products have the numbers of a normalised operand's channels in shared memory.
  constexpr std::int64_t kMostExpanded = 4096;
  if (g.expanded > kMostExpanded) {
    return StrCat("takes at most ", kMostExpanded, " expanded channels, not ", g.expanded);
  }
  if (!TakesChannels(g, dtype)) {
    return StrCat("takes expanded channels in whole vectors, not ", g.expanded);
  }
  for (const void* tensor : tensors) {
    if (reinterpret_cast<std::uintptr_t>(tensor) % 16 != 0) return "takes tensors aligned to 16";
  }
  return "";
}

}  // namespace
}  // namespace cuda::mbconv

void RegisterMbconvCuda(KernelRegistry& registry) {
  namespace mbconv = cuda::mbconv;
  registry.Register(KernelEntry<MbconvForward>{
      .impl = Impl::kOurs,
      .name = "cuda",
      .device = DeviceType::kCuda,
      .declines =
          [](Context&, const MbconvForward::Args& args) {
            return mbconv::Declines(args.geometry, args.x.dtype,
                                    {args.x.data, args.e1.data, args.e2.data});
          },
      .workspace_bytes = mbconv::ForwardWorkspace,
      .run = mbconv::Forward,
  });
  registry.Register(KernelEntry<MbconvBackward>{
      .impl = Impl::kOurs,
      .name = "cuda",
      .device = DeviceType::kCuda,
      .declines =
          [](Context&, const MbconvBackward::Args& args) {
            if (args.expand.w.empty() && args.dx.data != nullptr && args.dx.data == args.g2.data) {
              return std::string("writes dx while others read g2");
            }
            return mbconv::Declines(args.geometry, args.dy.dtype,
                                    {args.x.data, args.e1.data, args.e2.data, args.g1.data,
                                     args.g2.data, args.dx.data});
          },
      .workspace_bytes =
          [](Context& context, const MbconvBackward::Args& args) {
            CheckArguments(args);
            const mbconv::Backward pass(context, args);
            const Tensor own = pass.OwnGradient();  // for whoever plans memory to see
            return pass.workspace_bytes();
          },
      .run =
          [](Context& context, const MbconvBackward::Args& args) {
            CheckArguments(args);
            mbconv::Backward(context, args).Run();
          },
  });
}

}  // namespace nasengine
