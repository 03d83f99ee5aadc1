// Our batch normalisation as registered kernels: rows are shared among threads, each with its own
// sums, which are combined in thread order, so a given number of threads always gives the same
// bits.
// SPDX-License-Identifier: MIT
#include "kernels/norm/batch_norm_highway.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/float_kernel.h"
#include "kernels/core/parallel.h"
#include "kernels/norm/batch_norm_check.h"
#include "kernels/norm/moments.h"

namespace nasengine {
namespace {

using batch_norm::Affine;
using batch_norm::Moments;
using batch_norm::Rows;

// The workspace: for each thread its totals, block and pivot; for all of them three channel rows of
// parameters. Every row is padded to cache lines, so threads never write to the same one.
class Scratch {
 public:
  Scratch(void* data, std::int64_t c, std::int64_t threads)
      : row_((c + 15) / 16 * 16),
        c_(c),
        totals_(static_cast<double*>(data)),
        floats_(reinterpret_cast<float*>(totals_ + threads * 2 * row_)),
        shared_(floats_ + threads * 3 * row_) {}
  static std::size_t Bytes(std::int64_t c, std::int64_t threads) {
    const std::int64_t row = (c + 15) / 16 * 16;
    const auto floats = static_cast<std::size_t>((threads * 3 + 3) * row);
    return static_cast<std::size_t>(threads * 2 * row) * sizeof(double) + floats * sizeof(float);
  }

  double* totals(std::int64_t thread) const { return totals_ + thread * 2 * row_; }
  float* block(std::int64_t thread) const { return floats_ + thread * 3 * row_; }
  float* pivot(std::int64_t thread) const { return block(thread) + 2 * row_; }
  float* shared(int index) const { return shared_ + index * row_; }
  std::int64_t c() const { return c_; }

 private:
  std::int64_t row_;
  std::int64_t c_;
  double* totals_;
  float* floats_;
  float* shared_;
};

Scratch MakeScratch(Context& context, std::int64_t c) {
  return {context.Workspace(Scratch::Bytes(c, context.threads())), c, context.threads()};
}

// Joins every thread's sums of one channel.
Moments JoinMoments(const Scratch& scratch, std::int64_t rows, std::int64_t threads,
                    std::int64_t channel) {
  Moments all;
  for (std::int64_t thread = 0; thread < threads; ++thread) {
    const Range range(rows, thread, threads);
    if (range.begin == range.end) continue;  // its pivot was never guessed
    const double* totals = scratch.totals(thread);
    all.Join(static_cast<double>(range.end - range.begin), double{scratch.pivot(thread)[channel]},
             totals[channel], totals[scratch.c() + channel]);
  }
  return all;
}

// Writes the channel's statistics and the factor of (x - mean).
void FinishChannel(const BatchNormForward::Args& args, const Moments& moments, std::int64_t channel,
                   float* scale) {
  const double inv_std = moments.inv_std(double{args.epsilon});
  args.mean.As<float>()[channel] = static_cast<float>(moments.mean);
  args.inv_std.As<float>()[channel] = static_cast<float>(inv_std);
  scale[channel] = args.gamma.As<float>()[channel] * static_cast<float>(inv_std);
  if (moments.count == 0) return;
  batch_norm::Blend(args.running_mean, channel, double{args.momentum}, moments.mean);
  batch_norm::Blend(args.running_var, channel, double{args.momentum}, moments.unbiased_variance());
}

void Forward(Context& context, const BatchNormForward::Args& args) {
  CheckArguments(args);
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const Scratch scratch = MakeScratch(context, c);
  float* scale = scratch.shared(0);
  RunTeam(context, rows * c < kSerialElements, [&](std::int64_t thread, std::int64_t threads) {
    const Range range(rows, thread, threads);
    const Rows mine{range.begin, range.end, c};
    batch_norm::CentredSums(args.x, mine, scratch.pivot(thread), scratch.block(thread),
                            scratch.totals(thread));
#pragma omp barrier
    const Range channels(c, thread, threads);
    for (std::int64_t channel = channels.begin; channel < channels.end; ++channel) {
      FinishChannel(args, JoinMoments(scratch, rows, threads, channel), channel, scale);
    }
#pragma omp barrier
    const Affine affine{args.mean.As<float>(), scale, args.beta.As<float>(), args.activation};
    batch_norm::Normalise(args.x, mine, affine, args.y);
  });
}

void Inference(Context& context, const BatchNormInference::Args& args) {
  CheckArguments(args);
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const Scratch scratch = MakeScratch(context, c);
  float* scale = scratch.shared(0);
  for (std::int64_t channel = 0; channel < c; ++channel) {
    const double variance = double{args.var.As<float>()[channel]} + double{args.epsilon};
    scale[channel] = args.gamma.As<float>()[channel] * static_cast<float>(1 / std::sqrt(variance));
  }
  const Affine affine{args.mean.As<float>(), scale, args.beta.As<float>(), args.activation};
  RunTeam(context, rows * c < kSerialElements, [&](std::int64_t thread, std::int64_t threads) {
    const Range range(rows, thread, threads);
    batch_norm::Normalise(args.x, {range.begin, range.end, c}, affine, args.y);
  });
}

// From every thread's sums the parameter gradients and the coefficients of dx.
void FinishGradients(const BatchNormBackward::Args& args, const Scratch& scratch, std::int64_t rows,
                     std::int64_t threads, std::int64_t channel) {
  double sum = 0, projection = 0;
  for (std::int64_t thread = 0; thread < threads; ++thread) {
    sum += scratch.totals(thread)[channel];
    projection += scratch.totals(thread)[scratch.c() + channel];
  }
  const double inv_std = double{args.inv_std.As<float>()[channel]};
  const batch_norm::GradientFactors input(static_cast<double>(rows), sum, projection,
                                          double{args.gamma.As<float>()[channel]}, inv_std);
  scratch.shared(1)[channel] = static_cast<float>(input.slope);
  scratch.shared(2)[channel] = static_cast<float>(input.offset);
  batch_norm::StoreGradient(args.dgamma, channel, projection * inv_std, args.accumulate);
  batch_norm::StoreGradient(args.dbeta, channel, sum, args.accumulate);
}

void Backward(Context& context, const BatchNormBackward::Args& args) {
  CheckArguments(args);
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const Scratch scratch = MakeScratch(context, c);
  float* scale = scratch.shared(0);
  for (std::int64_t channel = 0; channel < c; ++channel) {
    scale[channel] = args.gamma.As<float>()[channel] * args.inv_std.As<float>()[channel];
  }
  const Affine affine{args.mean.As<float>(), scale, args.beta.As<float>(), args.activation};
  RunTeam(context, rows * c < kSerialElements, [&](std::int64_t thread, std::int64_t threads) {
    const Range range(rows, thread, threads);
    const Rows mine{range.begin, range.end, c};
    batch_norm::GradientSums(args.x, args.dy, mine, affine, scratch.block(thread),
                             scratch.totals(thread));
#pragma omp barrier
    const Range channels(c, thread, threads);
    for (std::int64_t channel = channels.begin; channel < channels.end; ++channel) {
      FinishGradients(args, scratch, rows, threads, channel);
    }
#pragma omp barrier
    batch_norm::InputGradient(args.x, args.dy, mine, affine, scratch.shared(1), scratch.shared(2),
                              args.dx);
  });
}

template <class Op>
std::size_t WorkspaceBytes(Context& context, const typename Op::Args& args) {
  return Scratch::Bytes(args.x.shape.back(), context.threads());
}

}  // namespace

void RegisterBatchNormHighway(KernelRegistry& registry) {
  RegisterOurs<BatchNormForward>(registry, "highway", Forward, WorkspaceBytes<BatchNormForward>);
  RegisterOurs<BatchNormInference>(registry, "highway", Inference,
                                   WorkspaceBytes<BatchNormInference>);
  RegisterOurs<BatchNormBackward>(registry, "highway", Backward, WorkspaceBytes<BatchNormBackward>);
}

}  // namespace nasengine
