// SPDX-License-Identifier: MIT
#include "kernels/conv/pointwise_inference.h"

#include "kernels/conv/composition.h"
#include "kernels/conv/conv_check.h"
#include "kernels/conv/mbconv_highway.h"
#include "kernels/conv/packed_product.h"
#include "kernels/core/float_kernel.h"
#include "kernels/core/parallel.h"

namespace nasengine {
namespace {

PointwiseConvForward::Args AsConvolution(const PointwiseInference::Args& args) {
  return {.geometry = args.geometry,
          .x = args.x,
          .w = args.w,
          .bias = args.bias,
          .activation = args.activation,
          .y = args.y};
}

void CheckArguments(const PointwiseInference::Args& args) {
  nasengine::CheckArguments(AsConvolution(args));
  CheckView(PointwiseInference::kName, "x", args.x, args.x.shape, DType::kF32);
  CheckView(PointwiseInference::kName, "bias", args.bias, {args.geometry.c_out}, DType::kF32);
}

struct Composition {
  template <class How>
  static void Run(Context& context, How& how, const PointwiseInference::Args& args) {
    CheckArguments(args);
    how.template Run<PointwiseConvForward>(context, AsConvolution(args));
  }
};

void Run(Context& context, const PointwiseInference::Args& args) {
  CheckArguments(args);
  const ConvGeometry& g = args.geometry;
  const PackedProduct product{.a = args.x.As<float>(),
                              .a_step = g.c_in,
                              .rows = g.n * g.h * g.w,
                              .depth = g.c_in,
                              .packed = args.packed->As<float>(),
                              .columns = g.c_out,
                              .bias = args.bias.As<float>(),
                              .activation = args.activation,
                              .y = args.y.As<float>()};
  RunTeam(context, product.rows * g.c_in * g.c_out < kSerialTerms,
          [&](std::int64_t thread, std::int64_t threads) {
            RunPackedProduct(product, thread, threads);
          });
}

}  // namespace

std::vector<View*> PointwiseInference::Outputs(Args& args) { return {&args.y}; }
double PointwiseInference::ErrorScale(const Args& args, int output) {
  return PointwiseConvForward::ErrorScale(AsConvolution(args), output);
}

Tensor PackPointwise(Context& context, ConstView w) {
  if (context.device().type != DeviceType::kCpu) return {};
  const std::int64_t c_out = w.shape[0];
  const std::int64_t c_in = w.shape[1];
  Tensor packed =
      context.Empty({mbconv::PackedSize(c_in, c_out)}, DType::kF32, MemoryCategory::kWeights);
  mbconv::Pack(w, c_in, 1, c_out, c_in, packed.As<float>(), 0, 1);
  return packed;
}

void RegisterPointwiseInferenceReference(KernelRegistry& registry) {
  composition::Register<PointwiseInference, Composition, composition::ByReference>(
      registry, Impl::kReference, "reference");
}

void RegisterPointwiseInferenceComposed(KernelRegistry& registry) {
  composition::Register<PointwiseInference, Composition, composition::ByPolicy>(
      registry, Impl::kVendor, "composed");
}

void RegisterPointwiseInferenceComposedCuda(KernelRegistry& registry) {
  composition::Register<PointwiseInference, Composition, composition::ByPolicy>(
      registry, Impl::kVendor, "composed", DeviceType::kCuda);
}

void RegisterPointwiseInferenceHighway(KernelRegistry& registry) {
  registry.Register(KernelEntry<PointwiseInference>{
      .impl = Impl::kOurs,
      .name = "highway",
      .declines =
          [](Context&, const PointwiseInference::Args& args) {
            const bool packed = args.packed != nullptr && args.packed->defined();
            return std::string(packed ? "" : "takes packed weights only");
          },
      .workspace_bytes = nullptr,
      .run = Run,
  });
}

}  // namespace nasengine
