// Our depthwise convolution as registered kernels: which arguments it takes, and how its work is
// shared among threads. For a given number of threads every run gives the same bits.
// SPDX-License-Identifier: MIT
#include "kernels/conv/depthwise_conv_highway.h"

#include "kernels/conv/depthwise_conv_check.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/parallel.h"
#include "kernels/core/streaming.h"

namespace nasengine {
namespace {

// Tensors of so many bytes together come from memory rather than from the last cache.
constexpr std::int64_t kDistantBytes = 16 << 20;

std::string DeclinesGeometry(const ConvGeometry& g, DType dtype) {
  if (dtype != DType::kF32 && dtype != DType::kBf16) {
    return StrCat("takes f32 and bf16, not ", Name(dtype));
  }
  if (g.kernel != 3 && g.kernel != 5 && g.kernel != 7) {
    return StrCat("takes kernels 3, 5 and 7, not ", g.kernel);
  }
  if (g.stride != 1 && g.stride != 2) return StrCat("takes strides 1 and 2, not ", g.stride);
  if (g.pad >= g.kernel) return StrCat("takes less padding than ", g.kernel, ", not ", g.pad);
  return "";
}

std::int64_t Terms(const ConvGeometry& g) {
  return g.n * g.out_h() * g.out_w() * g.c_in * g.kernel * g.kernel;
}

// Whether to ask for `in` early, of which every stride-th row and column is a new tile's: at 2 the
// requests, four for one vector of the result, cost more than they save.
bool Prefetches(ConstView in, ConstView other, std::int64_t stride) {
  return stride == 1 && in.bytes() + other.bytes() >= kDistantBytes;
}

template <class T>
void RunMap(Context& context, const ConvGeometry& g, const depthwise::MapJob<T>& job,
            void (*run)(const depthwise::MapJob<T>&, std::int64_t, std::int64_t)) {
  const std::int64_t pieces = job.pieces();
  RunTeam(context, Terms(g) < kSerialTerms, [&](std::int64_t thread, std::int64_t threads) {
    const Range mine(pieces, thread, threads);
    run(job, mine.begin, mine.end);
  });
}

template <class T>
void Forward(Context& context, const DepthwiseConvForward::Args& args) {
  const ConvGeometry& g = args.geometry;
  const depthwise::MapJob<T> job{
      .in = args.x.As<T>(),
      .w = args.w.As<T>(),
      .bias = args.bias.empty() ? nullptr : args.bias.As<float>(),
      .out = args.y.As<T>(),
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
      .prefetch = Prefetches(args.x, args.y, g.stride),
      .stream = Streams(args.y),
  };
  RunMap<T>(context, g, job, depthwise::Gather);
}

template <class T>
void BackwardData(Context& context, const DepthwiseConvBackwardData::Args& args) {
  const ConvGeometry& g = args.geometry;
  depthwise::MapJob<T> job{
      .in = args.dy.As<T>(),
      .w = args.w.As<T>(),
      .out = args.dx.As<T>(),
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
      .prefetch = Prefetches(args.dy, args.dx, 1),
      .stream = Streams(args.dx),
  };
  if (g.stride == 2) return RunMap<T>(context, g, job, depthwise::GatherStride2Gradient);
  // Stride 1: the same map with the kernel turned around its centre.
  job.w += (g.kernel * g.kernel - 1) * g.c_in;
  job.tap_step = -g.c_in;
  job.pad = g.kernel - 1 - g.pad;
  RunMap<T>(context, g, job, depthwise::Gather);
}

template <class T>
depthwise::WeightsJob<T> MakeWeightsJob(const DepthwiseConvBackwardWeights::Args& args) {
  const ConvGeometry& g = args.geometry;
  return {
      .x = args.x.As<T>(),
      .dy = args.dy.As<T>(),
      .n = g.n,
      .h = g.h,
      .w = g.w,
      .out_h = g.out_h(),
      .out_w = g.out_w(),
      .c = g.c_in,
      .kernel = g.kernel,
      .stride = g.stride,
      .pad = g.pad,
      .prefetch = Prefetches(args.x, args.dy, g.stride),
  };
}

// A grid of threads: `parts` over row blocks, each with its own partial sums, times `slices` over
// channels. Rows come first, since that reads memory in the longest runs.
struct ThreadGrid {
  std::int64_t parts = 1;
  std::int64_t slices = 1;
};

template <class T>
ThreadGrid ChooseGrid(const Context& context, const ConvGeometry& g,
                      const depthwise::WeightsJob<T>& job) {
  const std::int64_t threads = Terms(g) < kSerialTerms ? 1 : context.threads();
  if (job.items() >= 4 * threads || threads == 1) return {threads, 1};
  const std::int64_t slices = std::min(threads, job.groups());
  return {std::clamp<std::int64_t>(job.items(), 1, threads / slices), slices};
}

depthwise::PartialSums DescribeSums(const ConvGeometry& g, const ThreadGrid& grid) {
  return {.data = nullptr, .parts = grid.parts, .c = g.c_in, .taps = g.kernel * g.kernel};
}

std::size_t Bytes(const depthwise::PartialSums& sums) {
  return static_cast<std::size_t>(sums.parts * sums.part_size()) * sizeof(float);
}

template <class T>
std::size_t WeightsWorkspace(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  const ConvGeometry& g = args.geometry;
  return Bytes(DescribeSums(g, ChooseGrid(context, g, MakeWeightsJob<T>(args))));
}

template <class T>
void BackwardWeights(Context& context, const DepthwiseConvBackwardWeights::Args& args) {
  const depthwise::WeightsJob<T> job = MakeWeightsJob<T>(args);
  const ThreadGrid grid = ChooseGrid(context, args.geometry, job);
  depthwise::PartialSums sums = DescribeSums(args.geometry, grid);
  sums.data = static_cast<float*>(context.Workspace(Bytes(sums)));
  auto* dw = args.dw.As<float>();
  const std::int64_t cells = grid.parts * grid.slices;
  const auto sum_cell = [&](std::int64_t cell) {
    const std::int64_t part = cell / grid.slices;
    const std::int64_t slice = cell % grid.slices;
    const Range items(job.items(), part, grid.parts);
    const Range groups(job.groups(), slice, grid.slices);
    depthwise::PartialWeights(job, items.begin, items.end, groups.begin, groups.end,
                              sums.data + part * sums.part_size());
  };
  RunTeam(context, cells == 1, [&](std::int64_t thread, std::int64_t threads) {
    for (std::int64_t cell = thread; cell < cells; cell += threads) sum_cell(cell);
#pragma omp barrier
    const Range groups(job.groups(), thread, threads);
    depthwise::CombineWeights(sums, groups.begin, groups.end, args.accumulate, dw);
  });
}

// The kernel of f32 or of bf16, whichever `storage` of the arguments says.
template <class Op>
void RegisterHighway(
    KernelRegistry& registry, ConstView Op::Args::*storage,
    void (*f32)(Context&, const typename Op::Args&),
    void (*bf16)(Context&, const typename Op::Args&),
    std::function<std::size_t(Context&, const typename Op::Args&)> workspace = {}) {
  registry.Register(KernelEntry<Op>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [storage](Context&, const typename Op::Args& args) {
            return DeclinesGeometry(args.geometry, (args.*storage).dtype);
          },
      .workspace_bytes = std::move(workspace),
      .run =
          [=](Context& context, const typename Op::Args& args) {
            CheckArguments(args);
            (args.*storage).dtype == DType::kBf16 ? bf16(context, args) : f32(context, args);
          },
  });
}

}  // namespace

void RegisterDepthwiseConvHighway(KernelRegistry& registry) {
  RegisterHighway<DepthwiseConvForward>(registry, &DepthwiseConvForward::Args::x, Forward<float>,
                                        Forward<BFloat16>);
  RegisterHighway<DepthwiseConvBackwardData>(registry, &DepthwiseConvBackwardData::Args::dy,
                                             BackwardData<float>, BackwardData<BFloat16>);
  RegisterHighway<DepthwiseConvBackwardWeights>(
      registry, &DepthwiseConvBackwardWeights::Args::x, BackwardWeights<float>,
      BackwardWeights<BFloat16>,
      [](Context& context, const DepthwiseConvBackwardWeights::Args& args) {
        return args.x.dtype == DType::kBf16 ? WeightsWorkspace<BFloat16>(context, args)
                                            : WeightsWorkspace<float>(context, args);
      });
}

}  // namespace nasengine
