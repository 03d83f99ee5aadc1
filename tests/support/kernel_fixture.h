// What every kernel test needs: a context of the test's device, seeded zero-mean tensors, the
// comparison of all implementations with the reference, and finite differences in f64.
// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/core/context.h"
#include "kernels/core/kernel_check.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/core/rng.h"
#include "kernels/register/register_kernels.h"
#include "tests/support/test_device.h"

namespace nasengine {

// What kernels store; f64 is the reference's alone.
inline constexpr DType kStorageTypes[] = {DType::kF32, DType::kBf16};

// What tensors of the emulated device are made of: a block of the heap each, whose end
// AddressSanitizer sees, or the counted memory that programs have, for tests that ask how much it
// is. On a CPU and a card it is counted.
enum class EmulatedMemory { kBlocks, kCounted };

class KernelFixture : public ::testing::Test {
 protected:
  // With all kernels, those of the test's device included.
  KernelFixture() : KernelFixture(MakeCpuRegistry()) {}
  explicit KernelFixture(EmulatedMemory memory) : KernelFixture(MakeCpuRegistry(), memory) {}
  // With `registry` and the kernels of the test's device.
  explicit KernelFixture(KernelRegistry registry, EmulatedMemory memory = EmulatedMemory::kBlocks)
      : registry_(std::move(registry)),
        backend_(OpenTestDevice(registry_, missing_device_)),
        host_(backend_ == nullptr ? MakeCpuBackend() : nullptr),
        allocator_(backend()),
        blocks_(backend()),
        context_(backend(),
                 OnEmulatedDevice() && memory == EmulatedMemory::kBlocks
                     ? static_cast<Allocator&>(blocks_)
                     : allocator_,
                 registry_, KernelPolicy(), 2) {}

  void SetUp() override {
    if (backend_ == nullptr) GTEST_SKIP() << missing_device_;
  }

  DeviceBackend& backend() { return backend_ == nullptr ? *host_ : *backend_; }
  Context& context() { return context_; }
  CachingAllocator& allocator() { return allocator_; }
  bool on_cpu() const { return context_.device().type == DeviceType::kCpu; }

  // Standard normal times `scale` plus `mean`; the same `stream` gives the same numbers.
  Tensor RandomTensor(const Shape& shape, std::uint64_t stream, DType dtype = DType::kF32,
                      double scale = 1, double mean = 0) {
    Tensor tensor = context_.Empty(shape, dtype, MemoryCategory::kActivations);
    const Rng rng(1, RngPurpose::kTest);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
      Set(tensor, i, mean + scale * rng.Normal(stream, static_cast<std::uint64_t>(i)));
    }
    return tensor;
  }

  Tensor Filled(const Shape& shape, double value, DType dtype = DType::kF32) {
    return RandomTensor(shape, 0, dtype, 0, value);
  }

  // f32, bf16 or f64.
  static void Set(const Tensor& tensor, std::int64_t i, double value) {
    VisitStorage(tensor.dtype(), [&]<class T>(T) { tensor.As<T>()[i] = Rounded<T>(value); });
  }
  static double Get(const Tensor& tensor, std::int64_t i) {
    double value = 0;
    VisitStorage(tensor.dtype(), [&]<class T>(T) { value = ToDouble(tensor.As<T>()[i]); });
    return value;
  }

  // Runs every implementation that supports `args` beside the reference; expects at least
  // `at_least` of them beyond the reference.
  template <class Op>
  void ExpectImplementationsAgree(const typename Op::Args& args, int at_least = 1) {
    const KernelEntry<Op>& reference = registry_.Entry<Op>(Impl::kReference);
    int compared = 0;
    for (const KernelEntry<Op>& entry : registry_.Entries<Op>()) {
      if (&entry == &reference || entry.device != context_.device().type) continue;
      if (entry.declines && !entry.declines(context_, args).empty()) continue;
      // On fresh copies, so that one implementation's output is never another's luck.
      typename Op::Args own_args = args;
      const std::vector<Tensor> own = internal::RedirectOutputs<Op>(context_, own_args);
      EXPECT_NO_THROW(RunChecked<Op>(context_, entry, reference, own_args)) << entry.name;
      // What is composed of others has their order.
      if (OnEmulatedDevice() && entry.impl == Impl::kOurs)
        ExpectSameBitsInAllOrders<Op>(entry, args);
      ++compared;
    }
    EXPECT_GE(compared, on_cpu() ? at_least : 1)
        << Op::kName << " compared with too few implementations";
  }

  // Whatever the order in which threads and blocks of the emulated device run.
  template <class Op>
  void ExpectSameBitsInAllOrders(const KernelEntry<Op>& entry, const typename Op::Args& args) {
    std::vector<std::string> first;
    for (const std::string_view order : kEmulatedOrders) {
      SetEmulatedOrder(order);
      typename Op::Args own_args = args;
      const std::vector<Tensor> own = internal::RedirectOutputs<Op>(context_, own_args);
      EXPECT_NO_THROW(entry.run(context_, own_args)) << entry.name << " " << order;
      std::vector<std::string> bits;
      for (const Tensor& output : own) {
        if (!output.defined()) continue;
        bits.emplace_back(static_cast<const char*>(output.data()),
                          static_cast<std::size_t>(output.bytes()));
      }
      if (first.empty()) first = bits;
      EXPECT_EQ(bits == first, true) << entry.name << " depends on the order: " << order;
    }
    SetEmulatedOrder("forward");
  }

  // That of the test's device, or the CPU's where the device has none.
  template <class Op>
  const KernelEntry<Op>& Ours() const {
    for (const KernelEntry<Op>& entry : registry_.Entries<Op>()) {
      if (entry.impl == Impl::kOurs && entry.device == context_.device().type) return entry;
    }
    return registry_.Entry<Op>(Impl::kOurs);
  }

  // Runs the reference of Op.
  template <class Op>
  void RunReference(const typename Op::Args& args) {
    registry_.Entry<Op>(Impl::kReference).run(context_, args);
  }

  // Holds `gradient` (f64, what backward says d loss / d variable is) against central differences
  // of `loss`, a function of the f64 tensor `variable` that is restored afterwards.
  static void ExpectGradient(const Tensor& variable, const Tensor& gradient,
                             const std::function<double()>& loss, double step = 1e-4,
                             double relative = 1e-6) {
    double largest = 1;
    for (std::int64_t i = 0; i < gradient.elements(); ++i) {
      largest = std::max(largest, std::abs(Get(gradient, i)));
    }
    for (std::int64_t i = 0; i < variable.elements(); ++i) {
      const double kept = Get(variable, i);
      Set(variable, i, kept + step);
      const double above = loss();
      Set(variable, i, kept - step);
      const double below = loss();
      Set(variable, i, kept);
      EXPECT_NEAR(Get(gradient, i), (above - below) / (2 * step), relative * largest)
          << "element " << i;
    }
  }

  // sum over i of a[i] * b[i] in f64.
  static double Dot(const Tensor& a, const Tensor& b) {
    double sum = 0;
    for (std::int64_t i = 0; i < a.elements(); ++i) sum += Get(a, i) * Get(b, i);
    return sum;
  }

 private:
  KernelRegistry registry_;
  std::string missing_device_;
  std::unique_ptr<DeviceBackend> backend_;  // null where the test's device is missing
  std::unique_ptr<DeviceBackend> host_;     // in its place, so that a test that skips is made
  CachingAllocator allocator_;
  BlockAllocator blocks_;
  Context context_;
};

}  // namespace nasengine
