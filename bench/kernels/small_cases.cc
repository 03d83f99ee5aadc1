// The operators between and after the convolutions: sums, pooling, classifier, loss, optimisers;
// and choosing an implementation, which every call of an operator begins with.
// SPDX-License-Identifier: MIT
#include <algorithm>

#include "bench/kernels/kernel_case.h"
#include "kernels/conv/depthwise_conv.h"
#include "kernels/core/rng.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/linear/linear.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/optim/optimizer_step.h"
#include "kernels/pool/pool.h"

namespace nasengine {
namespace {

constexpr float kTinyRate = 1e-6f;  // steps that are repeated thousands of times stay finite

void AppendElementwise(std::int64_t n, std::int64_t size, std::int64_t channels,
                       std::vector<KernelCase>& cases) {
  const Shape map{n, size, size, channels};
  const auto elements = static_cast<double>(map.elements());
  const std::string shape = ImageName(size, channels, n);
  cases.push_back({.op = Add::kName,
                   .shape = shape,
                   .bytes = 4 * 3 * elements,
                   .flops = elements,
                   .terms = 1,
                   .footprint_bytes = 0,
                   .time = [map](Workbench& bench, const KernelTiming& timing) {
                     const Tensor a = bench.Random(map, 1);
                     const Tensor b = bench.Random(map, 2);
                     const Tensor y = bench.Random(map, 3);
                     return TimeOperator<Add>(bench, timing, {.a = a, .b = b, .y = y});
                   }});
  cases.push_back({.op = InnerProduct::kName,
                   .shape = shape,
                   .bytes = 4 * 2 * elements,
                   .flops = 2 * elements,
                   .terms = elements,
                   .footprint_bytes = 0,
                   .time = [map](Workbench& bench, const KernelTiming& timing) {
                     const Tensor a = bench.Random(map, 1);
                     const Tensor b = bench.Random(map, 2);
                     const Tensor result = bench.Random({1}, 3);
                     return TimeOperator<InnerProduct>(bench, timing,
                                                       {.a = a, .b = b, .result = result});
                   }});
}

void AppendPool(std::int64_t n, std::int64_t size, std::int64_t channels,
                std::vector<KernelCase>& cases) {
  const Shape map{n, size, size, channels};
  const Shape vector{n, channels};
  const auto elements = static_cast<double>(map.elements() + vector.elements());
  const std::string shape = ImageName(size, channels, n);
  cases.push_back({.op = GlobalAvgPoolForward::kName,
                   .shape = shape,
                   .bytes = 4 * elements,
                   .flops = elements,
                   .terms = 1,
                   .footprint_bytes = 0,
                   .time = [=](Workbench& bench, const KernelTiming& timing) {
                     const Tensor x = bench.Random(map, 1);
                     const Tensor y = bench.Random(vector, 2);
                     return TimeOperator<GlobalAvgPoolForward>(bench, timing, {.x = x, .y = y});
                   }});
  cases.push_back({.op = GlobalAvgPoolBackward::kName,
                   .shape = shape,
                   .bytes = 4 * elements,
                   .flops = elements,
                   .terms = 1,
                   .footprint_bytes = 0,
                   .time = [=](Workbench& bench, const KernelTiming& timing) {
                     const Tensor dx = bench.Random(map, 1);
                     const Tensor dy = bench.Random(vector, 2);
                     return TimeOperator<GlobalAvgPoolBackward>(bench, timing,
                                                                {.dy = dy, .dx = dx});
                   }});
}

void AppendClassifier(std::int64_t n, std::int64_t in, std::int64_t out,
                      std::vector<KernelCase>& cases) {
  const Shape x_shape{n, in};
  const Shape w_shape{out, in};
  const Shape y_shape{n, out};
  const auto bytes =
      4 * static_cast<double>(x_shape.elements() + w_shape.elements() + y_shape.elements());
  const auto flops = 2 * static_cast<double>(n * in * out);
  const auto terms = static_cast<double>(std::max({in, out, n}));
  const std::string shape = StrCat(in, "->", out, " n", n);
  const auto add = [&](const char* op, auto time) {
    cases.push_back({.op = op,
                     .shape = shape,
                     .bytes = bytes,
                     .flops = flops,
                     .terms = terms,
                     .footprint_bytes = 0,
                     .time = std::move(time)});
  };
  add(LinearForward::kName, [=](Workbench& bench, const KernelTiming& timing) {
    const Tensor x = bench.Random(x_shape, 1), w = bench.Random(w_shape, 2);
    const Tensor bias = bench.Random({out}, 3), y = bench.Random(y_shape, 4);
    return TimeOperator<LinearForward>(bench, timing, {.x = x, .w = w, .bias = bias, .y = y});
  });
  add(LinearBackwardData::kName, [=](Workbench& bench, const KernelTiming& timing) {
    const Tensor dx = bench.Random(x_shape, 1), w = bench.Random(w_shape, 2);
    const Tensor dy = bench.Random(y_shape, 3);
    return TimeOperator<LinearBackwardData>(bench, timing, {.dy = dy, .w = w, .dx = dx});
  });
  add(LinearBackwardWeights::kName, [=](Workbench& bench, const KernelTiming& timing) {
    const Tensor x = bench.Random(x_shape, 1), dw = bench.Random(w_shape, 2);
    const Tensor dy = bench.Random(y_shape, 3), dbias = bench.Random({out}, 4);
    return TimeOperator<LinearBackwardWeights>(bench, timing,
                                               {.x = x, .dy = dy, .dw = dw, .dbias = dbias});
  });
}

void AppendLoss(std::int64_t n, std::int64_t classes, std::vector<KernelCase>& cases) {
  const auto elements = static_cast<double>(n * classes);
  cases.push_back({.op = SoftmaxCrossEntropy::kName,
                   .shape = StrCat(classes, " classes n", n),
                   .bytes = 4 * 2 * elements,
                   .flops = 4 * elements,
                   .terms = 1,
                   .footprint_bytes = 0,
                   .time = [=](Workbench& bench, const KernelTiming& timing) {
                     const Tensor logits = bench.Random({n, classes}, 1);
                     const Tensor dlogits = bench.Random({n, classes}, 2);
                     const Tensor loss = bench.Random({1}, 3);
                     const Tensor labels = bench.Labels(n, classes);
                     const Tensor rank = bench.Labels(n, classes);
                     return TimeOperator<SoftmaxCrossEntropy>(bench, timing,
                                                              {.logits = logits,
                                                               .labels = labels,
                                                               .smoothing = 0.1f,
                                                               .loss = loss,
                                                               .dlogits = dlogits,
                                                               .rank = rank});
                   }});
}

// `v` of Adam is a mean of squares: never negative.
Tensor Squares(Workbench& bench, std::int64_t elements) {
  const Rng rng(1, RngPurpose::kTest);
  std::vector<float> numbers;
  for (std::int64_t i = 0; i < elements; ++i) {
    const float number = rng.Uniform(0, static_cast<std::uint64_t>(i));
    numbers.push_back(number * number);
  }
  return bench.Filled({elements}, numbers);
}

// Parts [i * size, (i + 1) * size) of a tensor.
std::vector<Tensor> PartsOf(const Tensor& tensor, std::int64_t count) {
  std::vector<Tensor> parts;
  const std::int64_t size = tensor.elements() / count;
  for (std::int64_t i = 0; i < count; ++i) parts.push_back(tensor.Slice(i * size, {size}));
  return parts;
}

// `count` slabs of equal sizes.
void AppendOptimizers(std::int64_t elements, std::int64_t count, std::vector<KernelCase>& cases) {
  const std::string shape =
      StrCat(elements, " weights in ", count, count == 1 ? " slab" : " slabs");
  const auto numbers = static_cast<double>(elements);
  cases.push_back(
      {.op = SgdStep::kName,
       .shape = shape,
       .bytes = 4 * 5 * numbers,
       .flops = 8 * numbers,
       .terms = 1,
       .footprint_bytes = 0,
       .time = [=](Workbench& bench, const KernelTiming& timing) {
         const auto dw = PartsOf(bench.Random({elements}, 1), count);
         const auto w = PartsOf(bench.Random({elements}, 2), count);
         const auto v = PartsOf(bench.Random({elements}, 3), count);
         SgdStep::Args args{.lr = kTinyRate, .momentum = 0.9f, .nesterov = true, .slabs = {}};
         for (std::size_t i = 0; i < dw.size(); ++i) {
           args.slabs.push_back({.dw = dw[i], .w = w[i], .v = v[i], .weight_decay = 4e-5f});
         }
         return TimeOperator<SgdStep>(bench, timing, args);
       }});
  cases.push_back({.op = AdamStep::kName,
                   .shape = shape,
                   .bytes = 4 * 5 * numbers,
                   .flops = 10 * numbers,
                   .terms = 1,
                   .footprint_bytes = 0,
                   .time = [=](Workbench& bench, const KernelTiming& timing) {
                     const auto dw = PartsOf(bench.Random({elements}, 1), count);
                     const auto w = PartsOf(bench.Random({elements}, 2), count);
                     const auto v = PartsOf(Squares(bench, elements), count);
                     AdamStep::Args args{.lr = kTinyRate, .step = 10, .slabs = {}};
                     for (std::size_t i = 0; i < dw.size(); ++i) {
                       args.slabs.push_back({.dw = dw[i], .w = w[i], .m = {}, .v = v[i]});
                     }
                     return TimeOperator<AdamStep>(bench, timing, args);
                   }});
}

// Each of the convolutions of a chain in turn, so that a choice is looked up and not at hand.
void AppendSelection(std::vector<KernelCase>& cases) {
  cases.push_back(
      {.op = "selection",
       .shape = "1000 choices",
       .time = [](Workbench& bench, const KernelTiming& timing) {
         if (timing.only_choices || !bench.on_cpu()) return KernelTimes{};
         std::vector<DepthwiseConvForward::Args> calls(50);
         for (std::size_t i = 0; i < calls.size(); ++i) {
           calls[i].geometry = {.n = 16, .h = 14, .w = 14, .kernel = 3, .pad = 1};
           calls[i].geometry.c_in = calls[i].geometry.c_out = 16 + static_cast<std::int64_t>(i);
           calls[i].x.shape = calls[i].y.shape = Shape{16, 14, 14, calls[i].geometry.c_in};
         }
         const auto choose_all = [&] {
           for (int round = 0; round < 20; ++round) {
             for (const auto& call : calls) {
               bench.registry().Select<DepthwiseConvForward>(bench.context(), call);
             }
           }
         };
         const Contender twice[] = {{"selection", choose_all}, {"selection", choose_all}};
         const auto times = TimeInterleaved(twice, timing.rounds);
         return KernelTimes{.of = {{Impl::kOurs, times[0]}},
                            .served = Impl::kOurs,
                            .noise = SameAgainstSame(times[0], times[1]),
                            .choice = {}};
       }});
}

}  // namespace

std::vector<KernelCase> SmallOperatorCases() {
  std::vector<KernelCase> cases;
  AppendElementwise(16, 56, 24, cases);
  AppendElementwise(16, 14, 80, cases);
  AppendElementwise(128, 14, 24, cases);
  AppendPool(16, 7, 1280, cases);
  AppendPool(128, 7, 128, cases);
  AppendClassifier(16, 1280, 1000, cases);
  AppendClassifier(128, 128, 10, cases);
  AppendLoss(16, 1000, cases);
  AppendLoss(128, 10, cases);
  AppendOptimizers(50'000, 1, cases);
  AppendOptimizers(50'000, 20, cases);
  AppendOptimizers(4'000'000, 1, cases);
  AppendSelection(cases);
  return cases;
}

}  // namespace nasengine
