// SPDX-License-Identifier: MIT
#include "bench/workbench.h"

#include <omp.h>
#include <sched.h>

#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/policy/measured_policy.h"
#include "kernels/register/register_kernels.h"

namespace nasengine {
namespace {

std::vector<int> AllowedCores() {
  std::vector<int> cores;
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) cores.push_back(core);
  }
  return cores;
}

// The finaliser of MurmurHash3: neighbours and streams come out unrelated. Cheaper than Philox,
// since hundreds of millions of numbers are drawn only to be computed with.
std::uint32_t Scramble(std::uint32_t x) {
  x = (x ^ (x >> 16)) * 0x85ebca6bu;
  x = (x ^ (x >> 13)) * 0xc2b2ae35u;
  return x ^ (x >> 16);
}

// Whether every thread of a team of `threads` has a core of its own now.
bool PinThreads(int threads, const std::vector<int>& cores) {
  if (static_cast<int>(cores.size()) < threads) return false;
  int pinned = 0;
#pragma omp parallel num_threads(threads) reduction(+ : pinned)
  {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(cores[static_cast<std::size_t>(omp_get_thread_num())], &own);
    pinned += sched_setaffinity(0, sizeof own, &own) == 0 ? 1 : 0;
  }
  return pinned == threads;
}

}  // namespace

Workbench::Workbench(int threads)
    : backend_(MakeCpuBackend()),
      allocator_(*backend_),
      registry_(MakeCpuRegistry()),
      context_(std::make_unique<Context>(*backend_, allocator_, registry_,
                                         MeasuredPolicy(*backend_, registry_), threads)),
      cores_(AllowedCores()),
      pinned_(PinThreads(threads, cores_)) {}

Tensor Workbench::Random(const Shape& shape, std::uint32_t stream, DType dtype) {
  Tensor tensor = context_->Empty(shape, dtype, MemoryCategory::kData);
  const std::uint32_t offset = 0x9e3779b9u * (stream + 1);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    // Its upper 24 bits are exact in f32.
    const std::uint32_t bits = Scramble(static_cast<std::uint32_t>(i) + offset);
    const float value = static_cast<float>(bits >> 8) * 0x1p-23f - 1.0f;
    if (dtype == DType::kBf16) {
      tensor.As<BFloat16>()[i] = Narrow(value);
    } else {
      tensor.As<float>()[i] = value;
    }
  }
  return tensor;
}

Tensor Workbench::Labels(std::int64_t n, std::int64_t classes) {
  Tensor labels = context_->Empty({n}, DType::kI32, MemoryCategory::kData);
  for (std::int64_t i = 0; i < n; ++i) {
    labels.As<std::int32_t>()[i] = static_cast<std::int32_t>(i % classes);
  }
  return labels;
}

}  // namespace nasengine
