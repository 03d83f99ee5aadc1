// Our product on its own: two pointwise convolutions with a batch norm and ReLU6 between them,
// whose statistics the first gathers as it writes and which the second applies as it reads, beside
// oneDNN's products and the passes of its batch norm. What the fused MBConv is without its
// depthwise convolution.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <vector>

#include "bench/kernels/kernel_case.h"
#include "kernels/conv/mbconv_highway.h"
#include "kernels/conv/pointwise_conv.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/parallel.h"
#include "kernels/norm/batch_norm.h"

namespace nasengine {
namespace {

struct Chain {
  std::int64_t n;
  std::int64_t size;
  std::int64_t c_in;
  std::int64_t expanded;
  std::int64_t c_out;
};

constexpr Chain kChains[] = {{16, 112, 16, 96, 24}, {16, 56, 24, 144, 24}, {16, 28, 40, 240, 40}};

ConvGeometry Geometry(const Chain& chain, std::int64_t c_in, std::int64_t c_out) {
  return {.n = chain.n, .h = chain.size, .w = chain.size, .c_in = c_in, .c_out = c_out};
}

struct Tensors {
  Tensors(Workbench& bench, const Chain& c, DType dtype)
      : x(bench.Random({c.n, c.size, c.size, c.c_in}, 1, dtype)),
        e(bench.Random({c.n, c.size, c.size, c.expanded}, 2, dtype)),
        activated(bench.Random(e.shape(), 3, dtype)),
        o(bench.Random({c.n, c.size, c.size, c.c_out}, 4, dtype)),
        expand(bench.Random({c.expanded, c.c_in}, 5, dtype)),
        project(bench.Random({c.c_out, c.expanded}, 6, dtype)),
        gamma(bench.Random({c.expanded}, 7)),
        beta(bench.Random({c.expanded}, 8)),
        mean(bench.Random({c.expanded}, 9)),
        inv_std(bench.Random({c.expanded}, 10)) {}

  Tensor x, e, activated, o, expand, project, gamma, beta, mean, inv_std;
};

class VendorChain {
 public:
  VendorChain(Workbench& bench, const Chain& chain, const Tensors& t)
      : context_(bench.context()),
        pointwise_(bench.registry().Entry<PointwiseConvForward>(Impl::kVendor)),
        norm_(bench.registry().Entry<BatchNormForward>(Impl::kVendor)),
        expand_{.geometry = Geometry(chain, chain.c_in, chain.expanded),
                .x = t.x,
                .w = t.expand,
                .bias = {},
                .y = t.e},
        normalise_{.x = t.e,
                   .gamma = t.gamma,
                   .beta = t.beta,
                   .activation = Activation::kRelu6,
                   .y = t.activated,
                   .mean = t.mean,
                   .inv_std = t.inv_std,
                   .running_mean = {},
                   .running_var = {}},
        project_{.geometry = Geometry(chain, chain.expanded, chain.c_out),
                 .x = t.activated,
                 .w = t.project,
                 .bias = {},
                 .y = t.o} {}

  void Run() {
    pointwise_.run(context_, expand_);
    norm_.run(context_, normalise_);
    pointwise_.run(context_, project_);
  }
  const PointwiseConvForward::Args& project() const { return project_; }

 private:
  Context& context_;
  const KernelEntry<PointwiseConvForward>& pointwise_;
  const KernelEntry<BatchNormForward>& norm_;
  PointwiseConvForward::Args expand_;
  BatchNormForward::Args normalise_;
  PointwiseConvForward::Args project_;
};

// Packs the weights anew with every run, as a training step has to. The batch norm's parameters
// come from where the vendor's has left them: the sums are gathered, and the handful of divisions
// that finish them left out.
class OurChain {
 public:
  OurChain(Workbench& bench, const Chain& chain, const Tensors& t)
      : context_(bench.context()),
        chain_(chain),
        t_(t),
        expand_weights_(Floats(mbconv::PackedSize(chain.c_in, chain.expanded))),
        project_weights_(Floats(mbconv::PackedSize(chain.expanded, chain.c_out))),
        scale_(t.gamma.As<float>(), t.gamma.As<float>() + chain.expanded) {
    for (std::size_t i = 0; i < scale_.size(); ++i) scale_[i] *= t.inv_std.As<float>()[i];
    const std::int64_t c = std::max(chain.expanded, chain.c_out);
    for (int thread = 0; thread < context_.threads(); ++thread) {
      scratch_.push_back({Floats(mbconv::kPanelRows * mbconv::Padded(chain.expanded)), Floats(c),
                          Floats(2 * c), std::vector<double>(static_cast<std::size_t>(2 * c))});
    }
  }

  void Run() {
    const std::int64_t rows = chain_.n * chain_.size * chain_.size;
    RunTeam(context_, false, [&](std::int64_t thread, std::int64_t threads) {
      const Range mine(rows, thread, threads);
      mbconv::Pack(t_.expand, chain_.c_in, 1, chain_.expanded, chain_.c_in, expand_weights_.data(),
                   thread, threads);
      mbconv::Pack(t_.project, chain_.expanded, 1, chain_.c_out, chain_.expanded,
                   project_weights_.data(), thread, threads);
#pragma omp barrier
      Scratch& scratch = scratch_[static_cast<std::size_t>(thread)];
      mbconv::ProductRows({.in = t_.x,
                           .norm = nullptr,
                           .packed = expand_weights_.data(),
                           .out = t_.e,
                           .depth = chain_.c_in,
                           .columns = chain_.expanded},
                          mine.begin, mine.end, scratch.panel.data(),
                          scratch.Sums(chain_.expanded));
#pragma omp barrier
      const mbconv::Affine norm{t_.mean.As<float>(), scale_.data(), t_.beta.As<float>(),
                                Activation::kRelu6};
      mbconv::ProductRows({.in = t_.e,
                           .norm = &norm,
                           .packed = project_weights_.data(),
                           .out = t_.o,
                           .depth = chain_.expanded,
                           .columns = chain_.c_out},
                          mine.begin, mine.end, scratch.panel.data(), scratch.Sums(chain_.c_out));
    });
  }

 private:
  struct Scratch {
    mbconv::ChannelSums Sums(std::int64_t c) {
      const mbconv::ChannelSums sums{
          .c = c, .pivot = pivot.data(), .block = block.data(), .totals = totals.data()};
      sums.Start();
      return sums;
    }
    std::vector<float> panel, pivot, block;
    std::vector<double> totals;
  };

  static std::vector<float> Floats(std::int64_t count) {
    return std::vector<float>(static_cast<std::size_t>(count));
  }

  Context& context_;
  Chain chain_;
  const Tensors& t_;
  std::vector<float> expand_weights_;
  std::vector<float> project_weights_;
  std::vector<float> scale_;
  std::vector<Scratch> scratch_;
};

// Every term of the second product has been rounded to bf16 twice.
double ErrorScaleOf(Context& context, const PointwiseConvForward::Args& args, double terms) {
  const double scale = ErrorScales<PointwiseConvForward>(context, args).front() * std::sqrt(terms);
  constexpr double kBf16Epsilons = 1 << 16;  // in one of f32
  return args.x.dtype == DType::kBf16 ? kBf16Epsilons * scale : scale;
}

KernelTimes TimeChain(Workbench& bench, const KernelTiming& timing, const Chain& chain,
                      DType dtype) {
  if (timing.only_choices || !bench.on_cpu()) return {};  // a chain is no operator
  const Tensors t(bench, chain, dtype);
  VendorChain vendor(bench, chain, t);
  vendor.Run();
  const Tensor expected = bench.context().Empty(t.o.shape(), dtype, MemoryCategory::kActivations);
  bench.backend().CopyFromHost(expected.data(), t.o.data(), static_cast<std::size_t>(t.o.bytes()));
  OurChain ours(bench, chain, t);
  ours.Run();
  CompareOutputs("fused_pointwise", t.o, expected,
                 ErrorScaleOf(bench.context(), vendor.project(), timing.terms));

  return TimeBesideVendor(
      timing, [&] { ours.Run(); }, [&] { vendor.Run(); });
}

KernelCase MakeCase(const Chain& chain, DType dtype) {
  const auto pixels = static_cast<double>(chain.n * chain.size * chain.size);
  const auto in = static_cast<double>(chain.c_in);
  const auto expanded = static_cast<double>(chain.expanded);
  const auto out = static_cast<double>(chain.c_out);
  const double element_bytes = static_cast<double>(SizeOf(dtype));
  return {.op = "fused_pointwise",
          .shape = StrCat(ImageName(chain.size, chain.c_in, chain.n), "->", chain.expanded, "->",
                          chain.c_out, dtype == DType::kF32 ? "" : StrCat(" ", Name(dtype))),
          .bytes = element_bytes * pixels * (in + 2 * expanded + out),
          .flops = 2 * pixels * expanded * (in + out),
          .terms = expanded,
          .footprint_bytes = element_bytes * pixels * (in + expanded + out),
          .time = [=](Workbench& bench, const KernelTiming& timing) {
            return TimeChain(bench, timing, chain, dtype);
          }};
}

}  // namespace

std::vector<KernelCase> FusedPointwiseCases() {
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const Chain& chain : kChains) cases.push_back(MakeCase(chain, dtype));
  }
  return cases;
}

}  // namespace nasengine
