// The backward pass of the fused MBConv: the order of its phases, and what becomes of the sums
// between them. For a given number of threads every run gives the same bits.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/mbconv_team.h"
#include "kernels/norm/moments.h"

namespace nasengine::mbconv {
namespace {

// What a batch norm's input gradient is made of, from the sums of all threads, and the
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
  const DepthwiseSizes sizes = SizesOf(g);
  const std::int64_t panel =
      std::max(sizes.in_window_floats() + sizes.gradient_window_floats() +
                   sizes.result_rows_floats(args.x.dtype),
               kPanelRows * (Padded(g.expanded) + Padded(std::max(g.c_in, g.c_out))));
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
  static NormGradient GradientOf(const Affine& affine, const ChannelFactors& factors) {
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
      Pack(args_.expand.w, g_.expanded, g_.c_in, g_.c_in, 1, scratch.expand_weights, team_.thread,
           team_.threads);
      SetScale(team_, g_.expanded, args_.expand, args_.expand_statistics, scratch.expand.scale);
    }
    Pack(args_.project.w, g_.c_out, g_.expanded, g_.expanded, 1, scratch.project_weights,
         team_.thread, team_.threads);
    WidenTaps(g_, args_.depthwise.w, team_);
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
    ProjectGradientRows({.dy = args_.dy,
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
    DepthwiseGradientImages({.sizes = SizesOf(g_),
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
    ExpandGradientRows({.g1 = args_.g1,
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

}  // namespace

std::size_t BackwardWorkspace(Context& context, const MbconvBackward::Args& args) {
  return BackwardScratch(nullptr, context, args).bytes();
}

void Backward(Context& context, const MbconvBackward::Args& args) {
  CheckArguments(args);
  const Scratch scratch =
      BackwardScratch(context.Workspace(BackwardWorkspace(context, args)), context, args);
  RunTeam(context, Terms(args.geometry) < kSerialTerms,
          [&](std::int64_t thread, std::int64_t threads) {
            const Team team{scratch, thread, threads};
            BackwardPhases(args, team).Run();
          });
}

}  // namespace nasengine::mbconv
