// Our fused MBConv at inference as a registered kernel: how its weights are packed, and how its
// work is shared among threads.
//
// Threads share the output rows where an image, or a batch, has so many that reading a few input
// rows twice does not matter; else they share the expanded channels, meet, and share the
// projection.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_inference_highway.h"

#include "kernels/conv/mbconv_check.h"
#include "kernels/conv/mbconv_scratch.h"
#include "kernels/conv/mbconv_team.h"
#include "kernels/conv/packed_product.h"
#include "kernels/core/kernel_registry.h"

namespace nasengine {
namespace {

using mbconv::Carver;
using mbconv::InferenceJob;
using mbconv::kGroup;
using mbconv::Padded;

// The share of all rows that threads may read twice.
constexpr std::int64_t kSharesPerRowTwice = 14;

// e2 of so many bytes is projected from the second-level cache in one piece.
constexpr std::int64_t kWholeMapBytes = 256 << 10;

std::int64_t SlicesFor(const Context& context, const MbconvGeometry& g) {
  const std::int64_t threads = context.threads();
  const std::int64_t twice = (threads - 1) * std::max<std::int64_t>(0, g.kernel - g.stride);
  if (mbconv::Terms(g) < kSerialTerms || twice * kSharesPerRowTwice <= g.n * g.h) return 1;
  return std::min(threads, Padded(g.expanded) / kGroup);
}

InferenceJob MakeJob(const MbconvInference::Args& args) {
  const MbconvGeometry& g = args.geometry;
  const bool expands = !args.expand.w.empty();
  InferenceJob job{
      .sizes = mbconv::SizesOf(g),
      .c_in = g.c_in,
      .activation = args.activation,
      .x = args.x.As<float>(),
      .expand = expands ? args.packed->expand.As<float>() : nullptr,
      .expand_bias = expands ? args.expand.bias.As<float>() : nullptr,
      .taps = args.depthwise.w.As<float>(),
      .depthwise_bias = args.depthwise.bias.As<float>(),
      .slices = args.packed->slices,
      .rows = mbconv::SizesOf(g).out_h,
  };
  const bool fits = job.e2_floats() * static_cast<std::int64_t>(sizeof(float)) <= kWholeMapBytes;
  if (job.slices == 1 && !fits) job.rows = job.sizes.step() / job.sizes.stride;
  return job;
}

// Rows [begin, end) of an image go from e2, which belongs to them, into y.
PackedProduct Projection(const MbconvInference::Args& args, const InferenceJob& job,
                         const mbconv::Strip& strip, const float* e2) {
  const std::int64_t c_out = args.geometry.c_out;
  const std::int64_t row = strip.image * job.sizes.out_h + strip.begin;
  const std::int64_t at = row * job.sizes.out_w * c_out;
  return {.a = e2,
          .a_step = job.e2_step(),
          .rows = (strip.end - strip.begin) * job.sizes.out_w,
          .depth = job.sizes.c,
          .packed = args.packed->project.As<float>(),
          .columns = c_out,
          .bias = args.project.bias.As<float>(),
          .addend = args.residual ? args.x.As<float>() + at : nullptr,
          .y = args.y.As<float>() + at};
}

// Windows and e2, each thread's own where it takes rows of its own.
struct Scratch {
  Scratch(void* block, const InferenceJob& job, std::int64_t threads)
      : carver(block),
        window_floats(Padded(job.window_floats())),
        e2_floats(job.slices > 1 ? 0 : Padded(job.e2_floats())),
        windows(carver.Take<float>(threads * window_floats)),
        e2(carver.Take<float>(job.slices > 1 ? job.e2_floats() : threads * e2_floats)) {}

  Carver carver;
  std::int64_t window_floats;
  std::int64_t e2_floats;  // from one thread's to the next
  float* windows;
  float* e2;
};

// One thread's rows of all images.
void RunRows(const MbconvInference::Args& args, const InferenceJob& job, const Range& rows,
             float* window, float* e2) {
  const std::int64_t out_h = job.sizes.out_h;
  for (std::int64_t row = rows.begin; row < rows.end;) {
    const std::int64_t image = row / out_h;
    const std::int64_t image_end = std::min(rows.end, (image + 1) * out_h);
    for (bool first = true; row < image_end; first = false) {
      const std::int64_t next = std::min(image_end, row + job.rows);
      const mbconv::Strip strip{image, row - image * out_h, next - image * out_h, first};
      mbconv::ConvolveStrip(job, strip, 0, window, e2);
      RunPackedProduct(Projection(args, job, strip, e2), 0, 1);
      row = next;
    }
  }
}

// One thread's slices, then its part of the projection.
void RunSlices(const MbconvInference::Args& args, const InferenceJob& job, std::int64_t thread,
               std::int64_t threads, float* window, float* e2) {
  for (std::int64_t image = 0; image < args.geometry.n; ++image) {
    const mbconv::Strip whole{image, 0, job.sizes.out_h};
    for (std::int64_t slice = thread; slice < job.slices; slice += threads) {
      mbconv::ConvolveStrip(job, whole, slice, window, e2);
    }
    mbconv::Meet();
    RunPackedProduct(Projection(args, job, whole, e2), thread, threads);
    mbconv::Meet();
  }
}

std::size_t Workspace(Context& context, const MbconvInference::Args& args) {
  return Scratch(nullptr, MakeJob(args), context.threads()).carver.used();
}

void Run(Context& context, const MbconvInference::Args& args) {
  CheckArguments(args);
  const InferenceJob job = MakeJob(args);
  const Scratch scratch(context.Workspace(Workspace(context, args)), job, context.threads());
  RunTeam(context, mbconv::Terms(args.geometry) < kSerialTerms,
          [&](std::int64_t thread, std::int64_t threads) {
            float* window = scratch.windows + thread * scratch.window_floats;
            float* e2 = scratch.e2 + thread * scratch.e2_floats;
            if (job.slices > 1) return RunSlices(args, job, thread, threads, window, e2);
            RunRows(args, job, Range(args.geometry.n * job.sizes.out_h, thread, threads), window,
                    e2);
          });
}

std::string Declines(const MbconvInference::Args& args) {
  const MbconvGeometry& g = args.geometry;
  if (args.packed == nullptr || !args.packed->project.defined()) return "takes packed weights only";
  if (g.kernel != 3 && g.kernel != 5 && g.kernel != 7) {
    return StrCat("takes kernels 3, 5 and 7, not ", g.kernel);
  }
  if (g.stride != 1 && g.stride != 2) return StrCat("takes strides 1 and 2, not ", g.stride);
  return "";
}

Tensor Floats(Context& context, std::int64_t floats) {
  return context.Empty({floats}, DType::kF32, MemoryCategory::kWeights);
}

}  // namespace

PackedMbconv PackMbconv(Context& context, const MbconvInference::Args& args) {
  CheckArguments(args);
  if (context.device().type != DeviceType::kCpu) return {};
  const MbconvGeometry& g = args.geometry;
  PackedMbconv packed{.slices = SlicesFor(context, g)};
  packed.project = Floats(context, mbconv::PackedSize(g.expanded, g.c_out));
  mbconv::Pack(args.project.w, g.expanded, 1, g.c_out, g.expanded, packed.project.As<float>(), 0,
               1);
  if (args.expand.w.empty()) return packed;
  packed.expand = Floats(context, mbconv::PackedSize(g.c_in, g.expanded));
  const InferenceJob slices{.sizes = mbconv::SizesOf(g), .slices = packed.slices};
  for (std::int64_t slice = 0; slice < packed.slices; ++slice) {
    const std::int64_t begin = slices.SliceBegin(slice);
    const std::int64_t columns = slices.SliceBegin(slice + 1) - begin;
    ConstView w = args.expand.w;
    w.data = w.As<float>() + begin * g.c_in;
    w.shape = {columns, g.c_in};
    mbconv::Pack(w, g.c_in, 1, columns, g.c_in, packed.expand.As<float>() + begin * g.c_in, 0, 1);
  }
  return packed;
}

void RegisterMbconvInferenceHighway(KernelRegistry& registry) {
  registry.Register(KernelEntry<MbconvInference>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines = [](Context&, const MbconvInference::Args& args) { return Declines(args); },
      .workspace_bytes = Workspace,
      .run = Run,
  });
}

}  // namespace nasengine
