// SPDX-License-Identifier: MIT
#include "bench/workbench.h"

#include <omp.h>
#include <sched.h>

#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/core/device_plugin.h"
#include "kernels/policy/measured_policy.h"
#include "kernels/register/register_kernels.h"
#include "nas/config/machine.h"

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

Workbench::Workbench(int threads, const std::string& device)
    : registry_(MakeCpuRegistry()),
      backend_(OpenDevice(ParseDevice(device), registry_)),
      allocator_(*backend_),
      context_(std::make_unique<Context>(*backend_, allocator_, registry_,
                                         MeasuredPolicy(*backend_, registry_), threads)),
      cores_(AllowedCores()),
      pinned_(PinThreads(threads, cores_)) {}

std::int64_t Workbench::memory_budget() const {
  if (on_cpu()) return DefaultMemoryBudget();
  constexpr double kShare = 0.9;  // the vendor's libraries want some for themselves
  return static_cast<std::int64_t>(kShare * static_cast<double>(backend_->free_bytes()));
}

Tensor Workbench::Random(const Shape& shape, std::uint32_t stream, DType dtype) {
  const std::uint32_t offset = 0x9e3779b9u * (stream + 1);
  const auto number = [offset](std::size_t i) {
    // Its upper 24 bits are exact in f32.
    const std::uint32_t bits = Scramble(static_cast<std::uint32_t>(i) + offset);
    return static_cast<float>(bits >> 8) * 0x1p-23f - 1.0f;
  };
  const auto elements = static_cast<std::size_t>(shape.elements());
  if (!backend_->host_visible()) {
    std::vector<float> numbers(elements);
    for (std::size_t i = 0; i < elements; ++i) numbers[i] = number(i);
    return Filled(shape, numbers, dtype);
  }
  // In place, so that nothing but the tensor takes memory where memory is measured.
  Tensor tensor = context_->Empty(shape, dtype, MemoryCategory::kData);
  for (std::size_t i = 0; i < elements; ++i) {
    if (dtype == DType::kBf16) {
      tensor.As<BFloat16>()[i] = Narrow(number(i));
    } else {
      tensor.As<float>()[i] = number(i);
    }
  }
  return tensor;
}

Tensor Workbench::Filled(const Shape& shape, std::span<const float> numbers, DType dtype) {
  Tensor tensor = context_->Empty(shape, dtype, MemoryCategory::kData);
  const void* from = numbers.data();
  std::vector<BFloat16> narrow;
  if (dtype == DType::kBf16) {
    narrow.reserve(numbers.size());
    for (const float number : numbers) narrow.push_back(Narrow(number));
    from = narrow.data();
  }
  backend_->CopyFromHost(tensor.data(), from, static_cast<std::size_t>(tensor.bytes()));
  backend_->Synchronize();
  return tensor;
}

Tensor Workbench::Labels(std::int64_t n, std::int64_t classes) {
  Tensor labels = context_->Empty({n}, DType::kI32, MemoryCategory::kData);
  std::vector<std::int32_t> numbers;
  for (std::int64_t i = 0; i < n; ++i) numbers.push_back(static_cast<std::int32_t>(i % classes));
  backend_->CopyFromHost(labels.data(), numbers.data(), static_cast<std::size_t>(labels.bytes()));
  backend_->Synchronize();
  return labels;
}

}  // namespace nasengine
