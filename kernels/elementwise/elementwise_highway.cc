// The elementwise operators in vectors, compiled for every instruction set and chosen at run time.
// SPDX-License-Identifier: MIT
#include <cstdint>

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/parallel.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/elementwise/elementwise_check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/elementwise_highway.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/core/for_each_vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

void AddRange(const Add::Args& args, Chunk chunk) {
  WithStorage(args.y.dtype, [&]<class T>(T) HWY_ATTR {
    const T* a = args.a.As<T>();
    const T* b = args.b.As<T>();
    T* y = args.y.As<T>();
    ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
      lanes.Store(hn::Add(lanes.Load(a + i), lanes.Load(b + i)), y + i);
    });
  });
}

void AxpyRange(const Axpy::Args& args, Chunk chunk) {
  WithStorage(args.y.dtype, [&]<class T>(T) HWY_ATTR {
    const T* x = args.x.As<T>();
    T* y = args.y.As<T>();
    const float alpha = args.alpha;
    ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
      const auto sum = hn::MulAdd(lanes.Set(alpha), lanes.Load(x + i), lanes.Load(y + i));
      lanes.Store(sum, y + i);
    });
  });
}

void ScaleRange(const Scale::Args& args, Chunk chunk) {
  WithStorage(args.y.dtype, [&]<class T>(T) HWY_ATTR {
    const T* x = args.x.As<T>();
    T* y = args.y.As<T>();
    const float alpha = args.alpha;
    ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
      lanes.Store(hn::Mul(lanes.Set(alpha), lanes.Load(x + i)), y + i);
    });
  });
}

void ZeroRange(View y_view, Chunk chunk) {
  WithStorage(y_view.dtype, [&]<class T>(T) HWY_ATTR {
    T* y = y_view.As<T>();
    ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
      lanes.Store(lanes.Zero(), y + i);
    });
  });
}

// sum of a[i] * b[i] in f64, four sums side by side to hide the latency of an addition.
template <class T>
HWY_INLINE double InnerProductLoop(const T* a, const T* b, Chunk chunk) {
  const hn::ScalableTag<double> d;
  using Narrow = FullLanes<hn::Rebind<float, decltype(d)>>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto product = [=](std::int64_t i, auto sum) HWY_ATTR {
    return hn::MulAdd(hn::PromoteTo(d, Narrow::Load(a + i)), hn::PromoteTo(d, Narrow::Load(b + i)),
                      sum);
  };
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  std::int64_t i = chunk.begin;
  for (; i + 4 * lanes <= chunk.end; i += 4 * lanes) {
    sum0 = product(i, sum0);
    sum1 = product(i + lanes, sum1);
    sum2 = product(i + 2 * lanes, sum2);
    sum3 = product(i + 3 * lanes, sum3);
  }
  const auto sums = hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3)));
  double sum = hn::GetLane(sums);
  for (; i < chunk.end; ++i) sum += ToDouble(a[i]) * ToDouble(b[i]);
  return sum;
}

double InnerProductRange(const InnerProduct::Args& args, Chunk chunk) {
  double sum = 0;
  WithStorage(args.a.dtype, [&]<class T>(T) HWY_ATTR {
    sum = InnerProductLoop(args.a.As<T>(), args.b.As<T>(), chunk);
  });
  return sum;
}

template <class From, class To>
HWY_INLINE void CastLoop(const From* x, To* y, Chunk chunk) {
  ForEachVector(chunk.begin, chunk.end, [=](const auto& lanes, std::int64_t i) HWY_ATTR {
    lanes.Store(lanes.Load(x + i), y + i);
  });
}

void CastRange(const Cast::Args& args, Chunk chunk) {
  if (args.y.dtype == DType::kBf16) {
    CastLoop(args.x.As<float>(), args.y.As<BFloat16>(), chunk);
  } else {
    CastLoop(args.x.As<BFloat16>(), args.y.As<float>(), chunk);
  }
}

// Upper 32 bits of a * b.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V MulHigh(D d, V a, V b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(
      d, static_cast<std::uint32_t>((std::uint64_t{hn::GetLane(a)} * hn::GetLane(b)) >> 32));
#else
  const auto even = hn::BitCast(d, hn::ShiftRight<32>(hn::MulEven(a, b)));
  const auto odd = hn::BitCast(d, hn::MulEven(hn::DupOdd(a), b));
  return hn::OddEven(odd, even);
#endif
}

// Word 0 of Philox4x32-10 for elements `first` .. `first` + lanes - 1, which must not cross a
// multiple of 2^32: a lane for each, as Rng::Bits computes them one by one.
template <class D>
HWY_INLINE hn::Vec<D> PhiloxWord0(D du, std::uint32_t seed, std::uint32_t purpose,
                                  std::uint64_t step, std::uint64_t first) {
  auto c0 = hn::Set(du, static_cast<std::uint32_t>(step));
  auto c1 = hn::Set(du, static_cast<std::uint32_t>(step >> 32));
  auto c2 = hn::Iota(du, static_cast<std::uint32_t>(first));
  auto c3 = hn::Set(du, static_cast<std::uint32_t>(first >> 32));
  const auto m0 = hn::Set(du, 0xD2511F53u);
  const auto m1 = hn::Set(du, 0xCD9E8D57u);
  std::uint32_t key0 = seed;
  std::uint32_t key1 = purpose;
  for (int round = 0; round < 10; ++round) {
    const auto next0 = hn::Xor(hn::Xor(MulHigh(du, c2, m1), c1), hn::Set(du, key0));
    const auto next2 = hn::Xor(hn::Xor(MulHigh(du, c0, m0), c3), hn::Set(du, key1));
    c1 = hn::Mul(c2, m1);
    c3 = hn::Mul(c0, m0);
    c0 = next0;
    c2 = next2;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c0;
}

// chunk.begin is a multiple of 64, so vectors never cross a multiple of 2^32.
template <class T>
HWY_INLINE void DropoutLoop(const Dropout::Args& args, float kept_scale, Chunk chunk) {
  const T* x = args.x.As<T>();
  T* y = args.y.As<T>();
  const std::uint32_t seed = args.rng.seed();
  const auto purpose = static_cast<std::uint32_t>(args.rng.purpose());
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<std::uint32_t> du;
  const hn::ScalableTag<std::int32_t> di;
  const FullLanes<decltype(d)> full;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = chunk.begin;
  for (; i + lanes <= chunk.end; i += lanes) {
    const auto words = PhiloxWord0(du, seed, purpose, args.step, static_cast<std::uint64_t>(i));
    // 24 bits: the signed conversion is exact.
    const auto top = hn::ConvertTo(d, hn::BitCast(di, hn::ShiftRight<8>(words)));
    const auto kept = hn::Ge(hn::Mul(top, hn::Set(d, 0x1p-24f)), hn::Set(d, args.rate));
    const auto scaled = hn::Mul(full.Load(x + i), hn::Set(d, kept_scale));
    full.Store(hn::IfThenElseZero(kept, scaled), y + i);
  }
  for (; i < chunk.end; ++i) {
    const bool kept = args.rng.Uniform(args.step, static_cast<std::uint64_t>(i)) >= args.rate;
    y[i] = Rounded<T>(kept ? ToDouble(x[i]) * static_cast<double>(kept_scale) : 0.0);
  }
}

void DropoutRange(const Dropout::Args& args, float kept_scale, Chunk chunk) {
  WithStorage(args.x.dtype, [&]<class T>(T) HWY_ATTR { DropoutLoop<T>(args, kept_scale, chunk); });
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(AddRange);
HWY_EXPORT(AxpyRange);
HWY_EXPORT(ScaleRange);
HWY_EXPORT(ZeroRange);
HWY_EXPORT(InnerProductRange);
HWY_EXPORT(CastRange);
HWY_EXPORT(DropoutRange);

void AddHighway(Context& context, const Add::Args& args) {
  CheckArgs(args);
  ForEachChunk(context, args.a.elements(), 1, [&](const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(AddRange)(args, chunk);
  });
}

void AxpyHighway(Context& context, const Axpy::Args& args) {
  CheckArgs(args);
  ForEachChunk(context, args.x.elements(), 1, [&](const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(AxpyRange)(args, chunk);
  });
}

void ScaleHighway(Context& context, const Scale::Args& args) {
  CheckArgs(args);
  ForEachChunk(context, args.x.elements(), 1, [&](const Chunk& chunk) {
    if (args.alpha == 0) {
      HWY_DYNAMIC_DISPATCH(ZeroRange)(args.y, chunk);
    } else {
      HWY_DYNAMIC_DISPATCH(ScaleRange)(args, chunk);
    }
  });
}

std::size_t InnerProductWorkspaceBytes(Context& context, const InnerProduct::Args& args) {
  const int chunks = ChunkCount(context, args.a.elements(), 1);
  return chunks <= 1 ? 0 : static_cast<std::size_t>(chunks) * sizeof(double);
}

void InnerProductHighway(Context& context, const InnerProduct::Args& args) {
  CheckArgs(args);
  const std::int64_t elements = args.a.elements();
  const int chunks = ChunkCount(context, elements, 1);
  double sum = 0;
  if (chunks <= 1) {
    sum = HWY_DYNAMIC_DISPATCH(InnerProductRange)(args, Chunk{0, elements, 0});
  } else {
    auto* partial =
        static_cast<double*>(context.Workspace(InnerProductWorkspaceBytes(context, args)));
    for (int i = 0; i < chunks; ++i) partial[i] = 0;
    ForEachChunk(context, elements, 1, [&](const Chunk& chunk) {
      partial[chunk.index] = HWY_DYNAMIC_DISPATCH(InnerProductRange)(args, chunk);
    });
    for (int i = 0; i < chunks; ++i) sum += partial[i];
  }
  *args.result.As<float>() = static_cast<float>(sum);
}

void CastHighway(Context& context, const Cast::Args& args) {
  CheckArgs(args);
  ForEachChunk(context, args.x.elements(), 1, [&](const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(CastRange)(args, chunk);
  });
}

void DropoutHighway(Context& context, const Dropout::Args& args) {
  CheckArgs(args);
  const float kept_scale = KeptScale(args.rate);
  ForEachChunk(context, args.x.elements(), 1, [&](const Chunk& chunk) {
    HWY_DYNAMIC_DISPATCH(DropoutRange)(args, kept_scale, chunk);
  });
}

}  // namespace

void RegisterElementwiseHighway(KernelRegistry& registry) {
  RegisterOurs<Add>(registry, "highway", AddHighway);
  RegisterOurs<Axpy>(registry, "highway", AxpyHighway);
  RegisterOurs<Scale>(registry, "highway", ScaleHighway);
  RegisterOurs<InnerProduct>(registry, "highway", InnerProductHighway, InnerProductWorkspaceBytes);
  RegisterOurs<Cast>(registry, "highway", CastHighway);
  RegisterOurs<Dropout>(registry, "highway", DropoutHighway);
}

}  // namespace nasengine
#endif  // HWY_ONCE
