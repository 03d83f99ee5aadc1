// Loops that do nothing but copy, and nothing but multiply and add, for every instruction set.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <fstream>
#include <limits>
#include <vector>

#include "bench/harness.h"
#include "bench/limits.h"
#include "kernels/core/error.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/limits_highway.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <bool kStreaming>
void Copy(const float* from, float* to, Chunk chunk) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t i = chunk.begin; i < chunk.end; i += lanes) {
    if constexpr (kStreaming) {
      hn::Stream(hn::Load(d, from + i), d, to + i);
    } else {
      hn::Store(hn::Load(d, from + i), d, to + i);
    }
  }
  if constexpr (kStreaming) hwy::FlushStream();
}

void CopyOrdinary(const float* from, float* to, Chunk chunk) { Copy<false>(from, to, chunk); }
void CopyStreaming(const float* from, float* to, Chunk chunk) { Copy<true>(from, to, chunk); }

// `rounds` times twelve independent multiply-adds, enough to hide their latency; returns their
// number of floating-point operations and puts the sums where nobody can leave them out.
double MultiplyAdd(std::int64_t rounds, float* sums) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, 0.999f);
  const auto b = hn::Set(d, 1e-3f);
  auto s0 = hn::Iota(d, 0), s1 = hn::Iota(d, 1), s2 = hn::Iota(d, 2), s3 = hn::Iota(d, 3);
  auto s4 = hn::Iota(d, 4), s5 = hn::Iota(d, 5), s6 = hn::Iota(d, 6), s7 = hn::Iota(d, 7);
  auto s8 = hn::Iota(d, 8), s9 = hn::Iota(d, 9), s10 = hn::Iota(d, 10), s11 = hn::Iota(d, 11);
  for (std::int64_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b);
    s1 = hn::MulAdd(s1, a, b);
    s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b);
    s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b);
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b);
    s10 = hn::MulAdd(s10, a, b);
    s11 = hn::MulAdd(s11, a, b);
  }
  const auto low = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(s4, s5));
  const auto high = hn::Add(hn::Add(hn::Add(s6, s7), hn::Add(s8, s9)), hn::Add(s10, s11));
  hn::StoreU(hn::Add(low, high), d, sums);
  return 2.0 * 12 * static_cast<double>(rounds) * static_cast<double>(hn::Lanes(d));
}

}  // namespace
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
namespace {

HWY_EXPORT(CopyOrdinary);
HWY_EXPORT(CopyStreaming);
HWY_EXPORT(MultiplyAdd);

constexpr std::int64_t kLargeArrayElements = std::int64_t{64} << 20;  // 256 MiB
constexpr std::int64_t kMostLanes = 64;
constexpr std::int64_t kFmaRounds = 1'000'000;
constexpr std::int64_t kUnknownCacheBytes = std::int64_t{8} << 20;

// From the kernel's description of the first core; sysconf counts every cache of a whole package
// under some hypervisors.
std::int64_t LastLevelCacheBytes() {
  for (int index : {3, 2}) {
    std::ifstream file(StrCat("/sys/devices/system/cpu/cpu0/cache/index", index, "/size"));
    std::int64_t kib = 0;
    char unit = 0;
    if (file >> kib >> unit && unit == 'K' && kib > 0) return kib * 1024;
  }
  return kUnknownCacheBytes;
}

// The best of a few runs: a limit is what the machine can do, not what it usually does.
template <class Run>
double BestMs(int runs, const Run& run) {
  const Contender contender{"limit", run};
  const TimingOptions options{.min_rounds = runs, .max_rounds = runs};
  return TimeInterleaved({&contender, 1}, options).front().min;
}

double CopyGbps(Context& context, std::int64_t elements, bool streaming, int runs) {
  const Tensor from = context.Empty({elements}, DType::kF32, MemoryCategory::kData);
  const Tensor to = context.Empty({elements}, DType::kF32, MemoryCategory::kData);
  const auto* source = from.As<float>();
  auto* target = to.As<float>();
  std::fill_n(from.As<float>(), elements, 1.0f);
  std::fill_n(target, elements, 0.0f);
  const double ms = BestMs(runs, [&] {
    ForEachChunk(context, elements, 1, [&](Chunk chunk) {
      if (streaming) {
        HWY_DYNAMIC_DISPATCH(CopyStreaming)(source, target, chunk);
      } else {
        HWY_DYNAMIC_DISPATCH(CopyOrdinary)(source, target, chunk);
      }
    });
  });
  return static_cast<double>(2 * from.bytes()) / (ms * 1e6);
}

double FmaGflops(Context& context) {
  const int threads = context.threads();
  std::vector<float> sums(static_cast<std::size_t>(threads * kMostLanes));
  std::vector<double> flops(static_cast<std::size_t>(threads));
  const double ms = BestMs(7, [&] {
    ForEachChunk(context, threads, kSerialElements, [&](Chunk chunk) {
      const auto i = static_cast<std::size_t>(chunk.index);
      flops[i] = HWY_DYNAMIC_DISPATCH(MultiplyAdd)(
          kFmaRounds, sums.data() + i * static_cast<std::size_t>(kMostLanes));
    });
  });
  double total = 0;
  for (double part : flops) total += part;
  return total / (ms * 1e6);
}

MachineLimits DeviceLimits(Context& context) {
  constexpr int kRuns = 21;
  constexpr int kCopies = 4;  // in a sample
  DeviceBackend& backend = context.backend();
  const Tensor from = context.Empty({kLargeArrayElements}, DType::kF32, MemoryCategory::kData);
  const Tensor to = context.Empty({kLargeArrayElements}, DType::kF32, MemoryCategory::kData);
  const auto bytes = static_cast<std::size_t>(from.bytes());
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < kRuns; ++run) {
    best = std::min(best, backend.Seconds([&] {
      for (int i = 0; i < kCopies; ++i) backend.CopyOnDevice(to.data(), from.data(), bytes);
    }));
  }
  const double gbps = 2e-9 * static_cast<double>(bytes) * kCopies / best;
  return {.copy_gbps = gbps, .streaming_copy_gbps = gbps};
}

}  // namespace

MachineLimits MeasureLimits(Context& context) {
  if (context.device().type != DeviceType::kCpu) return DeviceLimits(context);
  MachineLimits limits{.cache_bytes = LastLevelCacheBytes()};
  limits.copy_gbps = CopyGbps(context, kLargeArrayElements, false, 5);
  limits.streaming_copy_gbps = CopyGbps(context, kLargeArrayElements, true, 5);
  // Two arrays that fill a quarter of the cache together.
  const std::int64_t elements = limits.cache_bytes / 8 / 4 / 1024 * 1024;
  limits.cached_copy_gbps = CopyGbps(context, elements, false, 31);
  limits.fma_gflops = FmaGflops(context);
  return limits;
}

double FloorMs(const MachineLimits& limits, const Work& work) {
  const bool cached = work.footprint_bytes <= 0.625 * static_cast<double>(limits.cache_bytes);
  const double memory = std::max(limits.copy_gbps, limits.streaming_copy_gbps);
  const double gbps = cached ? std::max(limits.cached_copy_gbps, memory) : memory;
  const double computing = limits.fma_gflops > 0 ? work.flops / (limits.fma_gflops * 1e6) : 0;
  return std::max(work.bytes / (gbps * 1e6), computing);
}

}  // namespace nasengine
#endif  // HWY_ONCE
