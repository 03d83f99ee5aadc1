// Our depthwise convolution as registered kernels: which arguments it takes, and how its work is
// shared among threads. For a given number of threads every run gives the same bits.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_highway.h"

#include <omp.h>

#include "kernels/conv/depthwise_conv_check.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {
namespace {

// Multiply-adds below which waking the team costs more than it saves.
constexpr std::int64_t kSerialTerms = 1 << 17;

std::string DeclinesGeometry(const ConvGeometry& g, DType dtype) {
  if (dtype != DType::kF32) return StrCat("takes f32, not ", Name(dtype));
  if (g.kernel != 3 && g.kernel != 5 && g.kernel != 7) {
    return StrCat("takes kernels 3, 5 and 7, not ", g.kernel);
  }
  if (g.stride != 1 && g.stride != 2) return StrCat("takes strides 1 and 2, not ", g.stride);
  return "";
}

std::int64_t Terms(const ConvGeometry& g) {
  return g.n * g.out_h() * g.out_w() * g.c_in * g.kernel * g.kernel;
}

void RunMap(Context& context, const ConvGeometry& g, const depthwise::MapJob& job,
            void (*run)(const depthwise::MapJob&, std::int64_t, std::int64_t)) {
  const std::int64_t pieces = job.pieces();
  if (Terms(g) < kSerialTerms || context.threads() == 1) return run(job, 0, pieces);
#pragma omp parallel num_threads(context.threads())
  {
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t threads = omp_get_num_threads();
    run(job, pieces * thread / threads, pieces * (thread + 1) / threads);
  }
}

void Forward(Context& context, const DepthwiseConvForward::Args& args) {
  CheckArguments(args);
  const ConvGeometry& g = args.geometry;
  const depthwise::MapJob job{
      .in = args.x.As<float>(),
      .w = args.w.As<float>(),
      .bias = args.bias.empty() ? nullptr : args.bias.As<float>(),
      .out = args.y.As<float>(),
      .n = g.n,
      .in_h = g.h,
      .in_w = g.w,
      .out_h = g.out_h(),
      .out_w = g.out_w(),
      .c = g.c_in,
      .kernel = g.kernel,
      .stride = g.stride,
      .pad = g.pad,
      .tap_step = g.c_in,
      .activation = args.activation,
  };
  RunMap(context, g, job, depthwise::Gather);
}

void BackwardData(Context& context, const DepthwiseConvBackwardData::Args& args) {
  CheckArguments(args);
  const ConvGeometry& g = args.geometry;
  depthwise::MapJob job{
      .in = args.dy.As<float>(),
      .w = args.w.As<float>(),
      .out = args.dx.As<float>(),
      .n = g.n,
      .in_h = g.out_h(),
      .in_w = g.out_w(),
      .out_h = g.h,
      .out_w = g.w,
      .c = g.c_in,
      .kernel = g.kernel,
      .stride = g.stride,
      .pad = g.pad,
      .tap_step = g.c_in,
  };
  if (g.stride == 2) return RunMap(context, g, job, depthwise::GatherStride2Gradient);
  // Stride 1: the same map with the kernel turned around its centre.
  job.w += (g.kernel * g.kernel - 1) * g.c_in;
  job.tap_step = -g.c_in;
  job.pad = g.kernel - 1 - g.pad;
  RunMap(context, g, job, depthwise::Gather);
}

depthwise::WeightsJob MakeWeightsJob(const DepthwiseConvBackwardWeights::Args& args) {
  const ConvGeometry& g = args.geometry;
  return {
      .x = args.x.As<float>(),
      .dy = args.dy.As<float>(),
      .n = g.n,
      .h = g.h,
      .w = g.w,
      .out_h = g.out_h(),
      .out_w = g.out_w(),
      .c = g.c_in,
      .kernel = g.kernel,
      .stride = g.stride,
      .pad = g.pad,
  };
}

// A grid of threads: `parts` over row blocks, each with its own partial sums, times `slices` over
// channels. Rows come first, since that reads memory in the longest runs.
struct ThreadGrid {
  std::int64_t parts = 1;
  std::int64_t slices = 1;
};

ThreadGrid ChooseGrid(const Context& context, const ConvGeometry& g,
                      const depthwise::WeightsJob& job) {
  const std::int64_t threads = Terms(g) < kSerialTerms ? 1 : context.threads();
  if (job.items() >= 4 * threads || threads == 1) return {threads, 1};
  const std::int64_t slices = std::min(threads, job.groups());
  return {std::clamp<std::int64_t>(job.items(), 1, threads / slices), slices};
}

std::size_t WeightsWorkspace(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  const depthwise::WeightsJob job = MakeWeightsJob(args);
  const ThreadGrid grid = ChooseGrid(context, args.geometry, job);
  return static_cast<std::size_t>(grid.parts * job.partial_size()) * sizeof(float);
}

void BackwardWeights(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  CheckArguments(args);
  const depthwise::WeightsJob job = MakeWeightsJob(args);
  const ThreadGrid grid = ChooseGrid(context, args.geometry, job);
  float* partials = static_cast<float*>(context.Workspace(WeightsWorkspace(context, args)));
  float* dw = args.dw.As<float>();
  const std::int64_t cells = grid.parts * grid.slices;
  const auto sum_cell = [&](std::int64_t cell) {
    const std::int64_t part = cell / grid.slices;
    const std::int64_t slice = cell % grid.slices;
    depthwise::PartialWeights(
        job, job.items() * part / grid.parts, job.items() * (part + 1) / grid.parts,
        job.groups() * slice / grid.slices, job.groups() * (slice + 1) / grid.slices,
        partials + part * job.partial_size());
  };
  if (cells == 1) {
    sum_cell(0);
    depthwise::CombineWeights(job, partials, 1, 0, job.groups(), args.accumulate, dw);
    return;
  }
#pragma omp parallel num_threads(context.threads())
  {
    const std::int64_t thread = omp_get_thread_num();
    const std::int64_t threads = omp_get_num_threads();
    for (std::int64_t cell = thread; cell < cells; cell += threads) sum_cell(cell);
#pragma omp barrier
    depthwise::CombineWeights(job, partials, grid.parts, job.groups() * thread / threads,
                              job.groups() * (thread + 1) / threads, args.accumulate, dw);
  }
}

}  // namespace

void RegisterDepthwiseConvHighway(KernelRegistry& registry) {
  registry.Register(KernelEntry<DepthwiseConvForward>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const DepthwiseConvForward::Args& args) {
            return DeclinesGeometry(args.geometry, args.x.dtype);
          },
      .workspace_bytes = nullptr,
      .run = Forward,
  });
  registry.Register(KernelEntry<DepthwiseConvBackwardData>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const DepthwiseConvBackwardData::Args& args) {
            return DeclinesGeometry(args.geometry, args.dy.dtype);
          },
      .workspace_bytes = nullptr,
      .run = BackwardData,
  });
  registry.Register(KernelEntry<DepthwiseConvBackwardWeights>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const DepthwiseConvBackwardWeights::Args& args) {
            return DeclinesGeometry(args.geometry, args.x.dtype);
          },
      .workspace_bytes = WeightsWorkspace,
      .run = BackwardWeights,
  });
}

}  // namespace nasengine
