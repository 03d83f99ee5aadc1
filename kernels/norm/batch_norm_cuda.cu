// Batch normalisation as kernels for CUDA: sums of channels, what is made of them, and a pass that
// uses it.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>

#include "kernels/core/float_kernel.h"
#include "kernels/cuda/for_each_element.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/with_storage.h"
#include "kernels/norm/batch_norm_check.h"
#include "kernels/norm/batch_norm_cuda.cuh"
#include "kernels/norm/batch_norm_cuda.h"
#include "kernels/norm/batch_norm_cuda_plan.h"
#include "kernels/norm/batch_norm_finish_cuda.cuh"

namespace nasengine {
namespace cuda {
namespace {

template <class Sum, class Finish>
void Finalise(Context& context, const char* name, const PartialSums<Sum>& sums, std::int64_t c,
              const Finish& finish) {
  std::int64_t blocks = sums.blocks;
  if constexpr (sizeof(Sum) == sizeof(double)) {  // f32 would lose what blocks have kept
    // No more than passes over rows leave.
    const std::int64_t most = kNormBlocks * BackendOf(context).multiprocessors();
    if (blocks > most) {
      Launch(context, name, &FoldSums<Sum>,
             {.grid = dim3(static_cast<unsigned>(DivideUp(2 * c, kFoldThreads)),
                           static_cast<unsigned>(most)),
              .block = dim3(kFoldThreads)},
             sums.data, blocks, c);
      blocks = most;
    }
  }
  Launch(context, name, &FinaliseSums<Sum, Finish>,
         {.grid = dim3(static_cast<unsigned>(DivideUp(c, kFinishChannels))),
          .block = dim3(kNormThreads)},
         sums.data, blocks, c, finish);
}

}  // namespace

template <class Sum>
void FinaliseStatistics(Context& context, const PartialSums<Sum>& sums, const float* shift,
                        const BatchStatistics& statistics) {
  Finalise(context, "batch_norm_statistics", sums, statistics.c,
           FinishStatistics{statistics, shift});
}

template <class Sum>
void FinaliseGradients(Context& context, const PartialSums<Sum>& sums,
                       const BatchGradients& gradients) {
  Finalise(context, "batch_norm_gradients", sums, gradients.c, FinishGradients{gradients});
}

template void FinaliseStatistics(Context&, const PartialSums<float>&, const float*,
                                 const BatchStatistics&);
template void FinaliseStatistics(Context&, const PartialSums<double>&, const float*,
                                 const BatchStatistics&);
template void FinaliseGradients(Context&, const PartialSums<float>&, const BatchGradients&);
template void FinaliseGradients(Context&, const PartialSums<double>&, const BatchGradients&);

}  // namespace cuda

namespace {

using cuda::AlignedFor;

template <class T>
constexpr int kWide = 16 / static_cast<int>(sizeof(T));

// How a pass over (rows, c) is shared out.
struct Plan {
  cuda::NormShape shape;
  cuda::LaunchShape launch;

  int threads() const { return shape.width * shape.lanes; }
  std::int64_t row_blocks() const { return launch.grid.y; }
};

// Wide accesses where the channels allow them; narrow ones for pointers that do not.
int VectorOf(const ConstView& x, bool aligned) {
  const int wide = 16 / static_cast<int>(SizeOf(x.dtype));
  return aligned && x.shape.back() % wide == 0 ? wide : 1;
}

Plan MakePlan(const Context& context, const ConstView& x, int vector) {
  const cuda::NormPlan of = cuda::PlanNorm(x.shape.rows(), x.shape.back(), vector,
                                           cuda::BackendOf(context).multiprocessors());
  return {
      .shape = {.rows = of.rows, .c = of.c, .width = of.width, .lanes = of.lanes},
      .launch = {.grid = dim3(static_cast<unsigned>(of.pieces), static_cast<unsigned>(of.blocks)),
                 .block = dim3(static_cast<unsigned>(of.threads()))}};
}

std::size_t TableBytes(const Plan& plan, int vector, int tables) {
  return static_cast<std::size_t>(tables * plan.shape.width * vector) * sizeof(float);
}
std::size_t LaneSumBytes(const Plan& plan, int vector) {
  return static_cast<std::size_t>(plan.threads() * vector) * sizeof(double);
}

// The workspace: sums of blocks (row_blocks, 2, c), then two rows of channels.
struct Scratch {
  double* partial;
  float* row[2];

  static std::size_t Bytes(const Plan& plan) {
    const auto c = static_cast<std::size_t>(plan.shape.c);
    return c *
           (static_cast<std::size_t>(plan.row_blocks()) * 2 * sizeof(double) + 2 * sizeof(float));
  }
  Scratch(Context& context, const Plan& plan)
      : partial(static_cast<double*>(context.Workspace(Bytes(plan)))) {
    auto* rows = reinterpret_cast<float*>(partial + plan.row_blocks() * 2 * plan.shape.c);
    row[0] = rows;
    row[1] = rows + plan.shape.c;
  }
  cuda::PartialSums<double> sums(const Plan& plan) const { return {partial, plan.row_blocks()}; }
};

float* Pointer(const View& view) { return view.empty() ? nullptr : view.As<float>(); }

template <class T>
Plan ForwardPlan(const Context& context, const BatchNormForward::Args& args, int& vector) {
  vector = VectorOf(args.x,
                    AlignedFor<kWide<T>>(args.x.As<T>()) && AlignedFor<kWide<T>>(args.y.As<T>()));
  return MakePlan(context, args.x, vector);
}

template <class T>
void Apply(Context& context, const char* name, Plan plan, int vector, const T* x,
           const cuda::NormParameters& parameters, T* y) {
  plan.launch.shared_bytes = TableBytes(plan, vector, 3);
  cuda::Launch(context, name, vector == 1 ? &cuda::NormApply<T, 1> : &cuda::NormApply<T, kWide<T>>,
               plan.launch, x, plan.shape, parameters, y);
}

void Forward(Context& context, const BatchNormForward::Args& args) {
  CheckArguments(args);
  constexpr const char* kName = BatchNormForward::kName;
  cuda::WithStorage(args.x.dtype, [&]<class T>(T) {
    int vector = 1;
    Plan plan = ForwardPlan<T>(context, args, vector);
    const Scratch scratch(context, plan);
    float* shift = scratch.row[0];
    plan.launch.shared_bytes = LaneSumBytes(plan, vector);
    cuda::Launch(context, kName,
                 vector == 1 ? &cuda::NormStatistics<T, 1> : &cuda::NormStatistics<T, kWide<T>>,
                 plan.launch, args.x.As<T>(), plan.shape, shift, scratch.partial);
    const cuda::BatchStatistics statistics{.rows = plan.shape.rows,
                                           .c = plan.shape.c,
                                           .epsilon = args.epsilon,
                                           .momentum = args.momentum,
                                           .mean = Pointer(args.mean),
                                           .inv_std = Pointer(args.inv_std),
                                           .running_mean = Pointer(args.running_mean),
                                           .running_var = Pointer(args.running_var)};
    cuda::FinaliseStatistics(context, scratch.sums(plan), shift, statistics);
    Apply(context, kName, plan, vector, args.x.As<T>(),
          {statistics.mean, statistics.inv_std, args.gamma.As<float>(), args.beta.As<float>(), 0,
           args.activation},
          args.y.As<T>());
  });
}

std::size_t ForwardBytes(Context& context, const BatchNormForward::Args& args) {
  std::size_t bytes = 0;
  cuda::WithStorage(args.x.dtype, [&]<class T>(T) {
    int vector = 1;
    bytes = Scratch::Bytes(ForwardPlan<T>(context, args, vector));
  });
  return bytes;
}

void Inference(Context& context, const BatchNormInference::Args& args) {
  CheckArguments(args);
  cuda::ApplyNorm(context, BatchNormInference::kName, args.x,
                  {args.mean.As<float>(), args.var.As<float>(), args.gamma.As<float>(),
                   args.beta.As<float>(), args.epsilon, args.activation},
                  args.y);
}

template <class T>
Plan BackwardPlan(const Context& context, const BatchNormBackward::Args& args, int& vector) {
  vector = VectorOf(args.x, AlignedFor<kWide<T>>(args.x.As<T>()) &&
                                AlignedFor<kWide<T>>(args.dy.As<T>()) &&
                                AlignedFor<kWide<T>>(args.dx.As<T>()));
  return MakePlan(context, args.x, vector);
}

template <class T>
void SumGradients(Context& context, const char* name, Plan plan, int vector, const T* x,
                  const T* dy, const cuda::NormParameters& parameters, double* partial) {
  plan.launch.shared_bytes = std::max(LaneSumBytes(plan, vector), TableBytes(plan, vector, 3));
  cuda::Launch(context, name,
               vector == 1 ? &cuda::NormGradientSums<T, 1> : &cuda::NormGradientSums<T, kWide<T>>,
               plan.launch, x, dy, plan.shape, parameters, partial);
}

template <class T>
Plan SumPlan(const Context& context, const ConstView& x, const ConstView& dy, int& vector) {
  vector = VectorOf(x, AlignedFor<kWide<T>>(x.As<T>()) && AlignedFor<kWide<T>>(dy.As<T>()));
  return MakePlan(context, x, vector);
}

void Backward(Context& context, const BatchNormBackward::Args& args) {
  CheckArguments(args);
  constexpr const char* kName = BatchNormBackward::kName;
  cuda::WithStorage(args.x.dtype, [&]<class T>(T) {
    int vector = 1;
    Plan plan = BackwardPlan<T>(context, args, vector);
    const Scratch scratch(context, plan);
    const cuda::NormParameters parameters{args.mean.As<float>(),
                                          args.inv_std.As<float>(),
                                          args.gamma.As<float>(),
                                          args.beta.As<float>(),
                                          0,
                                          args.activation};
    SumGradients(context, kName, plan, vector, args.x.As<T>(), args.dy.As<T>(), parameters,
                 scratch.partial);
    cuda::FinaliseGradients(context, scratch.sums(plan),
                            {.rows = plan.shape.rows,
                             .c = plan.shape.c,
                             .gamma = parameters.gamma,
                             .inv_std = parameters.spread,
                             .accumulate = args.accumulate,
                             .dgamma = Pointer(args.dgamma),
                             .dbeta = Pointer(args.dbeta),
                             .slope = scratch.row[0],
                             .offset = scratch.row[1]});
    plan.launch.shared_bytes = TableBytes(plan, vector, 5);
    cuda::Launch(
        context, kName,
        vector == 1 ? &cuda::NormInputGradient<T, 1> : &cuda::NormInputGradient<T, kWide<T>>,
        plan.launch, args.x.As<T>(), args.dy.As<T>(), plan.shape, parameters, scratch.row[0],
        scratch.row[1], args.dx.As<T>());
  });
}

std::size_t BackwardBytes(Context& context, const BatchNormBackward::Args& args) {
  std::size_t bytes = 0;
  cuda::WithStorage(args.x.dtype, [&]<class T>(T) {
    int vector = 1;
    bytes = Scratch::Bytes(BackwardPlan<T>(context, args, vector));
  });
  return bytes;
}

}  // namespace

namespace cuda {

void ApplyNorm(Context& context, const char* name, const ConstView& x,
               const NormParameters& parameters, const View& y) {
  WithStorage(x.dtype, [&]<class T>(T) {
    const T* from = x.As<T>();
    T* to = y.As<T>();
    const int vector = VectorOf(x, AlignedFor<kWide<T>>(from) && AlignedFor<kWide<T>>(to));
    Apply(context, name, MakePlan(context, x, vector), vector, from, parameters, to);
  });
}

PartialSums<double> SumGradients(Context& context, const char* name, const ConstView& x,
                                 const ConstView& dy, const NormParameters& parameters,
                                 double* partial) {
  PartialSums<double> sums{.data = partial};
  WithStorage(x.dtype, [&]<class T>(T) {
    int vector = 1;
    const Plan plan = SumPlan<T>(context, x, dy, vector);
    sums.blocks = plan.row_blocks();
    nasengine::SumGradients(context, name, plan, vector, x.As<T>(), dy.As<T>(), parameters,
                            partial);
  });
  return sums;
}

std::size_t GradientSumBytes(const Context& context, const ConstView& x, const ConstView& dy) {
  std::size_t bytes = 0;
  WithStorage(x.dtype, [&]<class T>(T) {
    int vector = 1;
    bytes = Scratch::Bytes(SumPlan<T>(context, x, dy, vector));
  });
  return bytes;
}

}  // namespace cuda

void RegisterBatchNormCuda(KernelRegistry& registry) {
  constexpr DeviceType kDevice = DeviceType::kCuda;
  RegisterOurs<BatchNormForward>(registry, "cuda", Forward, ForwardBytes, kDevice);
  RegisterOurs<BatchNormInference>(registry, "cuda", Inference, nullptr, kDevice);
  RegisterOurs<BatchNormBackward>(registry, "cuda", Backward, BackwardBytes, kDevice);
}

}  // namespace nasengine
