// Our fused MBConv as registered kernels: the order of its phases, how each is shared among
// threads, and what becomes of the sums between them. For a given number of threads every run gives
// the same bits.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_highway.h"

#include <algorithm>
#include <cmath>

#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/mbconv_scratch.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/parallel.h"
#include "kernels/norm/moments.h"

namespace nasengine {
namespace {

using batch_norm::Affine;
using mbconv::ChannelFactors;
using mbconv::ChannelSums;
using mbconv::Padded;
using mbconv::Scratch;
using mbconv::SharedScratch;
using mbconv::ThreadScratch;

std::int64_t Terms(const MbconvGeometry& g) {
  return g.n * g.h * g.w * g.expanded * (g.c_in + g.kernel * g.kernel + g.c_out);
}

void Meet(){
#pragma omp barrier
}

mbconv::DepthwiseSizes SizesOf(const MbconvGeometry& g) {
  const ConvGeometry conv = g.depthwise();
  return {.h = g.h,
          .w = g.w,
          .out_h = conv.out_h(),
          .out_w = conv.out_w(),
          .c = g.expanded,
          .kernel = g.kernel,
          .stride = g.stride};
}

std::int64_t InputRows(const MbconvGeometry& g) { return g.n * g.h * g.w; }
std::int64_t OutputRows(const MbconvGeometry& g) {
  const ConvGeometry conv = g.depthwise();
  return g.n * conv.out_h() * conv.out_w();
}

// Sums over `c` channels, begun anew.
ChannelSums Started(const ThreadScratch& mine, std::int64_t c) {
  ChannelSums sums = mine.sums;
  sums.c = c;
  sums.Start();
  return sums;
}

// What one thread of one call works with.
struct Team {
  const Scratch& scratch;
  std::int64_t thread;
  std::int64_t threads;

  Range Mine(std::int64_t size) const { return {size, thread, threads}; }
  ThreadScratch mine() const { return scratch.thread(thread); }
};

// A matrix of one row stays as it is when it is packed.
void PackTaps(const MbconvGeometry& g, ConstView w, const Team& team) {
  mbconv::Pack(w, 1, 0, g.kernel * g.kernel * g.expanded, 1, team.scratch.shared().taps,
               team.thread, team.threads);
}

// Forward: statistics of one batch norm from the sums of all threads, of which each has taken
// rows(thread) rows. Between two meetings of the team.
template <class RowsOf>
void FinishStatistics(const Team& team, std::int64_t c, const MbconvNorm& norm,
                      const MbconvStage& stage, const MbconvForward::Statistics& statistics,
                      const RowsOf& rows_of, float* scale) {
  const Range channels = team.Mine(c);
  for (std::int64_t channel = channels.begin; channel < channels.end; ++channel) {
    batch_norm::Moments all;
    for (std::int64_t thread = 0; thread < team.threads; ++thread) {
      const std::int64_t rows = rows_of(thread);
      if (rows == 0) continue;  // its pivot was never guessed
      const ChannelSums sums = team.scratch.thread(thread).sums;
      all.Join(static_cast<double>(rows), double{sums.pivot[channel]}, sums.totals[channel],
               sums.totals[c + channel]);
    }
    const double inv_std = all.inv_std(double{norm.epsilon});
    statistics.mean.As<float>()[channel] = static_cast<float>(all.mean);
    statistics.inv_std.As<float>()[channel] = static_cast<float>(inv_std);
    scale[channel] = stage.gamma.As<float>()[channel] * static_cast<float>(inv_std);
    if (all.count == 0) continue;
    batch_norm::Blend(statistics.running_mean, channel, norm.momentum, all.mean);
    batch_norm::Blend(statistics.running_var, channel, norm.momentum, all.unbiased_variance());
  }
}

Affine AffineOf(const ConstView& mean, const float* scale, const MbconvStage& stage,
                Activation activation) {
  return {mean.As<float>(), scale, stage.beta.As<float>(), activation};
}

Scratch ForwardScratch(void* block, const Context& context, const MbconvForward::Args& args) {
  const MbconvGeometry& g = args.geometry;
  const std::int64_t panel =
      std::max(SizesOf(g).in_window_floats(), mbconv::kPanelRows * Padded(g.expanded));
  return {block, g, context.threads(), panel, 0};
}

void ForwardOnTeam(const MbconvForward::Args& args, const Team& team) {
  const MbconvGeometry& g = args.geometry;
  const SharedScratch& scratch = team.scratch.shared();
  const ThreadScratch mine = team.mine();
  const bool expands = !args.expand.w.empty();
  if (expands) {
    mbconv::Pack(args.expand.w, g.c_in, 1, g.expanded, g.c_in, scratch.expand_weights, team.thread,
                 team.threads);
  }
  mbconv::Pack(args.project.w, g.expanded, 1, g.c_out, g.expanded, scratch.project_weights,
               team.thread, team.threads);
  PackTaps(args.geometry, args.depthwise.w, team);
  Meet();

  Affine e1_norm;
  if (expands) {
    const Range rows = team.Mine(InputRows(g));
    mbconv::ProductRows({.in = args.x,
                         .norm = nullptr,
                         .packed = scratch.expand_weights,
                         .out = args.e1,
                         .depth = g.c_in,
                         .columns = g.expanded},
                        rows.begin, rows.end, mine.panel, Started(mine, g.expanded));
    if (OnlyExpands(args)) return;
    Meet();
    FinishStatistics(
        team, g.expanded, args.norm, args.expand, args.expand_statistics,
        [&](std::int64_t thread) { return Range(InputRows(g), thread, team.threads).size(); },
        scratch.expand.scale);
    Meet();
    e1_norm = AffineOf(args.expand_statistics.mean, scratch.expand.scale, args.expand,
                       args.norm.activation);
  }

  const mbconv::DepthwiseSizes sizes = SizesOf(g);
  const Range lines = team.Mine(g.n * sizes.out_h);
  mbconv::DepthwiseRows({.sizes = sizes,
                         .in = expands ? ConstView(args.e1) : args.x,
                         .norm = expands ? &e1_norm : nullptr,
                         .w = scratch.taps,
                         .out = args.e2},
                        lines.begin, lines.end, mine.panel, Started(mine, g.expanded));
  Meet();
  FinishStatistics(
      team, g.expanded, args.norm, args.depthwise, args.depthwise_statistics,
      [&](std::int64_t thread) {
        return Range(g.n * sizes.out_h, thread, team.threads).size() * sizes.out_w;
      },
      scratch.depthwise.scale);
  Meet();

  const Affine e2_norm = AffineOf(args.depthwise_statistics.mean, scratch.depthwise.scale,
                                  args.depthwise, args.norm.activation);
  const Range rows = team.Mine(OutputRows(g));
  mbconv::ProductRows({.in = args.e2,
                       .norm = &e2_norm,
                       .packed = scratch.project_weights,
                       .out = args.o,
                       .depth = g.expanded,
                       .columns = g.c_out},
                      rows.begin, rows.end, mine.panel, Started(mine, g.c_out));
  Meet();
  FinishStatistics(
      team, g.c_out, args.norm, args.project, args.project_statistics,
      [&](std::int64_t thread) { return Range(OutputRows(g), thread, team.threads).size(); },
      scratch.project.scale);
  if (args.y.empty()) return;
  Meet();
  batch_norm::Normalise(args.o, {rows.begin, rows.end, g.c_out},
                        AffineOf(args.project_statistics.mean, scratch.project.scale, args.project,
                                 Activation::kNone),
                        args.y);
}

void Forward(Context& context, const MbconvForward::Args& args) {
  CheckArguments(args);
  const std::size_t bytes = ForwardScratch(nullptr, context, args).bytes();
  const Scratch scratch = ForwardScratch(context.Workspace(bytes), context, args);
  RunTeam(context, Terms(args.geometry) < kSerialTerms,
          [&](std::int64_t thread, std::int64_t threads) {
            ForwardOnTeam(args, {scratch, thread, threads});
          });
}

// Backward: what a batch norm's input gradient is made of, from the sums of all threads, and the
// gradients of its own parameters. Between two meetings of the team.
void FinishGradients(const Team& team, std::int64_t c, std::int64_t rows, const MbconvStage& stage,
                     const MbconvBackward::Statistics& statistics,
                     const MbconvBackward::StageGradient& gradient, bool accumulate,
                     const ChannelFactors& factors) {
  const Range channels = team.Mine(c);
  for (std::int64_t channel = channels.begin; channel < channels.end; ++channel) {
    double sum = 0, projection = 0;
    for (std::int64_t thread = 0; thread < team.threads; ++thread) {
      const ChannelSums sums = team.scratch.thread(thread).sums;
      sum += sums.totals[channel];
      projection += sums.totals[c + channel];
    }
    const double inv_std = double{statistics.inv_std.As<float>()[channel]};
    const batch_norm::GradientFactors input(static_cast<double>(rows), sum, projection,
                                            double{stage.gamma.As<float>()[channel]}, inv_std);
    factors.slope[channel] = static_cast<float>(input.slope);
    factors.offset[channel] = static_cast<float>(input.offset);
    batch_norm::StoreGradient(gradient.dgamma, channel, projection * inv_std, accumulate);
    batch_norm::StoreGradient(gradient.dbeta, channel, sum, accumulate);
  }
}

// dw[i * row_step + j * column_step] from the threads' shares (rows, Padded(columns)), in the order
// of the threads; columns are shared out.
void CombineShares(const Team& team, std::int64_t rows, std::int64_t columns, const View& dw,
                   std::int64_t row_step, std::int64_t column_step, bool accumulate) {
  float* to = dw.As<float>();
  const Range mine = team.Mine(columns);
  for (std::int64_t thread = 0; thread < team.threads; ++thread) {
    const float* share = team.scratch.thread(thread).dw;
    const bool adds = accumulate || thread > 0;
    for (std::int64_t i = 0; i < rows; ++i, share += Padded(columns)) {
      for (std::int64_t j = mine.begin; j < mine.end; ++j) {
        float& stored = to[i * row_step + j * column_step];
        stored = (adds ? stored : 0.0f) + share[j];
      }
    }
  }
}

void SetScale(const Team& team, std::int64_t c, const MbconvStage& stage,
              const MbconvBackward::Statistics& statistics, float* scale) {
  const Range channels = team.Mine(c);
  for (std::int64_t channel = channels.begin; channel < channels.end; ++channel) {
    scale[channel] = stage.gamma.As<float>()[channel] * statistics.inv_std.As<float>()[channel];
  }
}

Scratch BackwardScratch(void* block, const Context& context, const MbconvBackward::Args& args) {
  const MbconvGeometry& g = args.geometry;
  const mbconv::DepthwiseSizes sizes = SizesOf(g);
  const std::int64_t panel =
      std::max(sizes.in_window_floats() + sizes.gradient_window_floats(),
               mbconv::kPanelRows * (Padded(g.expanded) + Padded(std::max(g.c_in, g.c_out))));
  const std::int64_t dw_rows = std::max({g.c_in, g.c_out, g.kernel * g.kernel});
  return {block, g, context.threads(), panel, dw_rows * Padded(g.expanded)};
}

// The phases of backward, in the order in which a team goes through them.
class BackwardPhases {
 public:
  BackwardPhases(const MbconvBackward::Args& args, const Team& team)
      : args_(args),
        g_(args.geometry),
        team_(team),
        mine_(team.mine()),
        expands_(!args.expand.w.empty()),
        wants_weights_(!args.project_gradient.dw.empty()) {}

  void Run() const {
    Prepare();
    ThroughOutputNorm();
    ThroughProjection();
    ThroughDepthwise();
    if (expands_) ThroughExpansion();
  }

 private:
  Affine ExpandNorm() const {
    return AffineOf(args_.expand_statistics.mean, team_.scratch.shared().expand.scale, args_.expand,
                    args_.norm.activation);
  }
  Affine DepthwiseNorm() const {
    return AffineOf(args_.depthwise_statistics.mean, team_.scratch.shared().depthwise.scale,
                    args_.depthwise, args_.norm.activation);
  }
  Affine ProjectNorm() const {
    return AffineOf(args_.project_statistics.mean, team_.scratch.shared().project.scale,
                    args_.project, Activation::kNone);
  }
  static mbconv::NormGradient GradientOf(const Affine& affine, const ChannelFactors& factors) {
    return {affine, factors.slope, factors.offset};
  }
  // This thread's share of a weight gradient of `rows` rows, zero; null when it is not wanted.
  float* StartShare(std::int64_t rows) const {
    if (!wants_weights_) return nullptr;
    std::fill(mine_.dw, mine_.dw + rows * Padded(g_.expanded), 0.0f);
    return mine_.dw;
  }

  void Prepare() const {
    const SharedScratch& scratch = team_.scratch.shared();
    if (expands_) {
      mbconv::Pack(args_.expand.w, g_.expanded, g_.c_in, g_.c_in, 1, scratch.expand_weights,
                   team_.thread, team_.threads);
      SetScale(team_, g_.expanded, args_.expand, args_.expand_statistics, scratch.expand.scale);
    }
    mbconv::Pack(args_.project.w, g_.c_out, g_.expanded, g_.expanded, 1, scratch.project_weights,
                 team_.thread, team_.threads);
    PackTaps(g_, args_.depthwise.w, team_);
    SetScale(team_, g_.expanded, args_.depthwise, args_.depthwise_statistics,
             scratch.depthwise.scale);
    SetScale(team_, g_.c_out, args_.project, args_.project_statistics, scratch.project.scale);
    Meet();
  }

  void ThroughOutputNorm() const {
    const Range rows = team_.Mine(OutputRows(g_));
    const ChannelSums sums = Started(mine_, g_.c_out);
    batch_norm::GradientSums(args_.o, args_.dy, {rows.begin, rows.end, g_.c_out}, ProjectNorm(),
                             sums.block, sums.totals);
    Meet();
    FinishGradients(team_, g_.c_out, OutputRows(g_), args_.project, args_.project_statistics,
                    args_.project_gradient, args_.accumulate, team_.scratch.shared().project);
    Meet();
  }

  void ThroughProjection() const {
    const Range rows = team_.Mine(OutputRows(g_));
    mbconv::ProjectGradientRows({.dy = args_.dy,
                                 .o = args_.o,
                                 .norm = GradientOf(ProjectNorm(), team_.scratch.shared().project),
                                 .packed = team_.scratch.shared().project_weights,
                                 .e2 = args_.e2,
                                 .e2_norm = DepthwiseNorm(),
                                 .g2 = args_.g2,
                                 .dw = StartShare(g_.c_out),
                                 .c_out = g_.c_out,
                                 .expanded = g_.expanded},
                                rows.begin, rows.end, mine_.panel, Started(mine_, g_.expanded));
    Meet();
    FinishGradients(team_, g_.expanded, OutputRows(g_), args_.depthwise, args_.depthwise_statistics,
                    args_.depthwise_gradient, args_.accumulate, team_.scratch.shared().depthwise);
    if (wants_weights_) {
      CombineShares(team_, g_.c_out, g_.expanded, args_.project_gradient.dw, g_.expanded, 1,
                    args_.accumulate);
    }
    Meet();
  }

  void ThroughDepthwise() const {
    const Range images = team_.Mine(g_.n);
    const Affine in_norm = expands_ ? ExpandNorm() : Affine();
    const View g1 = expands_ ? args_.g1 : args_.dx;
    mbconv::DepthwiseGradientImages(
        {.sizes = SizesOf(g_),
         .g2 = args_.g2,
         .e2 = args_.e2,
         .norm = GradientOf(DepthwiseNorm(), team_.scratch.shared().depthwise),
         .in = expands_ ? args_.e1 : args_.x,
         .in_norm = expands_ ? &in_norm : nullptr,
         .w = team_.scratch.shared().taps,
         .g1 = g1,
         .dw = StartShare(g_.kernel * g_.kernel)},
        images.begin, images.end, mine_.panel, Started(mine_, g_.expanded));
    Meet();
    if (expands_) {
      FinishGradients(team_, g_.expanded, InputRows(g_), args_.expand, args_.expand_statistics,
                      args_.expand_gradient, args_.accumulate, team_.scratch.shared().expand);
    }
    if (wants_weights_) {
      CombineShares(team_, g_.kernel * g_.kernel, g_.expanded, args_.depthwise_gradient.dw,
                    g_.expanded, 1, args_.accumulate);
    }
    Meet();
  }

  void ThroughExpansion() const {
    const Range rows = team_.Mine(InputRows(g_));
    mbconv::ExpandGradientRows({.g1 = args_.g1,
                                .e1 = args_.e1,
                                .norm = GradientOf(ExpandNorm(), team_.scratch.shared().expand),
                                .packed = team_.scratch.shared().expand_weights,
                                .x = args_.x,
                                .dx = args_.dx,
                                .dw = StartShare(g_.c_in),
                                .c_in = g_.c_in,
                                .expanded = g_.expanded},
                               rows.begin, rows.end, mine_.panel);
    if (!wants_weights_) return;
    Meet();
    CombineShares(team_, g_.c_in, g_.expanded, args_.expand_gradient.dw, 1, g_.c_in,
                  args_.accumulate);
  }

  const MbconvBackward::Args& args_;
  const MbconvGeometry& g_;
  const Team& team_;
  ThreadScratch mine_;
  bool expands_;
  bool wants_weights_;
};

void Backward(Context& context, const MbconvBackward::Args& args) {
  CheckArguments(args);
  const std::size_t bytes = BackwardScratch(nullptr, context, args).bytes();
  const Scratch scratch = BackwardScratch(context.Workspace(bytes), context, args);
  RunTeam(context, Terms(args.geometry) < kSerialTerms,
          [&](std::int64_t thread, std::int64_t threads) {
            const Team team{scratch, thread, threads};
            BackwardPhases(args, team).Run();
          });
}

std::string Declines(const MbconvGeometry& g, DType dtype) {
  if (dtype != DType::kF32 && dtype != DType::kBf16) {
    return StrCat("takes f32 and bf16, not ", Name(dtype));
  }
  if (g.kernel != 3 && g.kernel != 5 && g.kernel != 7) {
    return StrCat("takes kernels 3, 5 and 7, not ", g.kernel);
  }
  if (g.stride != 1 && g.stride != 2) return StrCat("takes strides 1 and 2, not ", g.stride);
  return "";
}

}  // namespace

void RegisterMbconvHighway(KernelRegistry& registry) {
  registry.Register(KernelEntry<MbconvForward>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const MbconvForward::Args& args) {
            return Declines(args.geometry, args.x.dtype);
          },
      .workspace_bytes =
          [](Context& context, const MbconvForward::Args& args) {
            return ForwardScratch(nullptr, context, args).bytes();
          },
      .run = Forward,
  });
  registry.Register(KernelEntry<MbconvBackward>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const MbconvBackward::Args& args) {
            return Declines(args.geometry, args.dy.dtype);
          },
      .workspace_bytes =
          [](Context& context, const MbconvBackward::Args& args) {
            return BackwardScratch(nullptr, context, args).bytes();
          },
      .run = Backward,
  });
}

}  // namespace nasengine
