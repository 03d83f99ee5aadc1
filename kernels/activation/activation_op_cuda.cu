// The activations as kernels for CUDA.
// SPDX-License-Identifier: MIT
#include "kernels/activation/activation_check.h"
#include "kernels/activation/activation_op_cuda.cuh"
#include "kernels/core/float_kernel.h"
#include "kernels/cuda/for_each_element.cuh"
#include "kernels/cuda/with_storage.h"

namespace nasengine {
namespace {

void Forward(Context& context, const ActivationForward::Args& args) {
  CheckArgs(args);
  cuda::WithStorage(args.x.dtype, [&]<class T>(T) {
    cuda::Map(context, ActivationForward::kName, cuda::ActivateElement{args.activation},
              args.x.As<T>(), args.y.As<T>(), args.x.elements());
  });
}

void Backward(Context& context, const ActivationBackward::Args& args) {
  CheckArgs(args);
  cuda::WithStorage(args.y.dtype, [&]<class T>(T) {
    cuda::Map(context, ActivationBackward::kName, cuda::PassElement{args.activation},
              args.y.As<T>(), args.dy.As<T>(), args.dx.As<T>(), args.y.elements());
  });
}

}  // namespace

void RegisterActivationCuda(KernelRegistry& registry) {
  RegisterOurs<ActivationForward>(registry, "cuda", Forward, nullptr, DeviceType::kCuda);
  RegisterOurs<ActivationBackward>(registry, "cuda", Backward, nullptr, DeviceType::kCuda);
}

}  // namespace nasengine
