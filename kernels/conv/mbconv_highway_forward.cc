// The forward pass of the fused MBConv: the order of its phases, and statistics from the sums
// between them. For a given number of threads every run gives the same bits.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/mbconv_team.h"
#include "kernels/norm/moments.h"

namespace nasengine::mbconv {
namespace {

// Statistics of one batch norm from the sums of all threads, of which each has taken
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

Scratch ForwardScratch(void* block, const Context& context, const MbconvForward::Args& args) {
  const MbconvGeometry& g = args.geometry;
  const std::int64_t panel =
      std::max(SizesOf(g).in_window_floats() + SizesOf(g).result_rows_floats(args.x.dtype),
               kPanelRows * Padded(g.expanded));
  return {block, g, context.threads(), panel, 0};
}

void ForwardOnTeam(const MbconvForward::Args& args, const Team& team) {
  const MbconvGeometry& g = args.geometry;
  const SharedScratch& scratch = team.scratch.shared();
  const ThreadScratch mine = team.mine();
  const bool expands = !args.expand.w.empty();
  if (expands) {
    Pack(args.expand.w, g.c_in, 1, g.expanded, g.c_in, scratch.expand_weights, team.thread,
         team.threads);
  }
  Pack(args.project.w, g.expanded, 1, g.c_out, g.expanded, scratch.project_weights, team.thread,
       team.threads);
  WidenTaps(args.geometry, args.depthwise.w, team);
  Meet();

  Affine e1_norm;
  if (expands) {
    const Range rows = team.Mine(InputRows(g));
    ProductRows({.in = args.x,
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

  const DepthwiseSizes sizes = SizesOf(g);
  const Range lines = team.Mine(g.n * sizes.out_h);
  DepthwiseRows({.sizes = sizes,
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
  ProductRows({.in = args.e2,
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

}  // namespace

std::size_t ForwardWorkspace(Context& context, const MbconvForward::Args& args) {
  return ForwardScratch(nullptr, context, args).bytes();
}

void Forward(Context& context, const MbconvForward::Args& args) {
  CheckArguments(args);
  const Scratch scratch =
      ForwardScratch(context.Workspace(ForwardWorkspace(context, args)), context, args);
  RunTeam(context, Terms(args.geometry) < kSerialTerms,
          [&](std::int64_t thread, std::int64_t threads) {
            ForwardOnTeam(args, {scratch, thread, threads});
          });
}

}  // namespace nasengine::mbconv
