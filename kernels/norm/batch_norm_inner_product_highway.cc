// Our inner product with a batch norm's result: the sums of batch norm's gradients by its own
// vectorised pass, each thread over its rows, joined in thread order.
// SPDX-License-Identifier: MIT
#include "kernels/core/float_kernel.h"
#include "kernels/core/parallel.h"
#include "kernels/norm/batch_norm_highway.h"
#include "kernels/norm/batch_norm_inner_product.h"

namespace nasengine {
namespace {

// The workspace: for each thread its totals (2, c) and a block (2, c), padded to cache lines, so
// that threads never write to the same one.
class Scratch {
 public:
  Scratch(void* data, std::int64_t c, std::int64_t threads)
      : row_(Padded(c)),
        totals_(static_cast<double*>(data)),
        blocks_(reinterpret_cast<float*>(totals_ + threads * 2 * row_)) {}
  static std::size_t Bytes(std::int64_t c, std::int64_t threads) {
    return static_cast<std::size_t>(threads * 2 * Padded(c)) * (sizeof(double) + sizeof(float));
  }

  double* totals(std::int64_t thread) const { return totals_ + thread * 2 * row_; }
  float* block(std::int64_t thread) const { return blocks_ + thread * 2 * row_; }

 private:
  static std::int64_t Padded(std::int64_t c) { return (c + 15) / 16 * 16; }

  std::int64_t row_;
  double* totals_;
  float* blocks_;
};

std::size_t WorkspaceBytes(Context& context, const BatchNormInnerProduct::Args& args) {
  return Scratch::Bytes(args.x.shape.back(), context.threads());
}

void InnerProductHighway(Context& context, const BatchNormInnerProduct::Args& args) {
  CheckArguments(args);
  const std::int64_t c = args.x.shape.back();
  const std::int64_t rows = args.x.shape.rows();
  const Scratch scratch(context.Workspace(WorkspaceBytes(context, args)), c, context.threads());
  const auto* gamma = args.gamma.As<float>();
  const auto* beta = args.beta.As<float>();
  const auto* inv_std = args.inv_std.As<float>();
  // Without an activation the pass reads the mean alone; the others only have to be there.
  const batch_norm::Affine affine{args.mean.As<float>(), gamma, beta, Activation::kNone};
  std::int64_t team = 1;
  RunTeam(context, rows * c < kSerialElements, [&](std::int64_t thread, std::int64_t threads) {
    if (thread == 0) team = threads;
    const Range range(rows, thread, threads);
    batch_norm::GradientSums(args.x, args.dy, {range.begin, range.end, c}, affine,
                             scratch.block(thread), scratch.totals(thread));
  });
  double result = 0;
  for (std::int64_t channel = 0; channel < c; ++channel) {
    double sum = 0, projection = 0;
    for (std::int64_t thread = 0; thread < team; ++thread) {
      sum += scratch.totals(thread)[channel];
      projection += scratch.totals(thread)[c + channel];
    }
    result += double{gamma[channel]} * double{inv_std[channel]} * projection +
              double{beta[channel]} * sum;
  }
  *args.result.As<float>() = static_cast<float>(result);
}

}  // namespace

void RegisterBatchNormInnerProductHighway(KernelRegistry& registry) {
  RegisterOurs<BatchNormInnerProduct>(registry, "highway", InnerProductHighway, WorkspaceBytes);
}

}  // namespace nasengine
