// SPDX-License-Identifier: MIT
#include "autograd/parameter_slab.h"

#include <xxhash.h>

#include <cmath>
#include <utility>

#include "kernels/core/kernel_registry.h"
#include "kernels/elementwise/elementwise.h"

namespace nasengine {
namespace {

constexpr std::int64_t kAlignmentBytes = 64;

Tensor Zeros(Context& context, const Tensor& like, MemoryCategory category) {
  Tensor zeros = context.Empty(like.shape(), like.dtype(), category);
  if (zeros.elements() > 0) {
    Dispatch<Scale>(context, {.alpha = 0, .x = zeros, .y = zeros});
  }
  return zeros;
}

// Where element i of a kernel [k, k, channels] or of a matrix lies, one number a place. Sides and
// channels of either stay far below the 2^16 and 2^32 that it has room for.
std::uint64_t PlaceOf(const Shape& shape, std::int64_t i) {
  const std::int64_t column = i % shape.back();
  const std::int64_t row = i / shape.back();
  std::int64_t place = row;
  if (shape.rank() == 3) {
    constexpr std::int64_t kCentre = 1 << 15;
    const std::int64_t side = shape[1];
    place = (kCentre + row / side - side / 2) << 16 | (kCentre + row % side - side / 2);
  }
  return static_cast<std::uint64_t>(place) << 32 | static_cast<std::uint64_t>(column);
}

// The numbers of one parameter; `stream` tells it from all others of the same seed.
template <class T>
std::vector<T> InitialValues(const ParameterSpec& spec, const Rng& rng, std::uint64_t stream,
                             NumbersBy by) {
  std::vector<T> values(static_cast<std::size_t>(spec.shape.elements()));
  const double fan = static_cast<double>(spec.fan);
  const double deviation = std::sqrt(2.0 / fan);
  const double bound = 1.0 / std::sqrt(fan);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t number = by == NumbersBy::kPlace
                                     ? PlaceOf(spec.shape, static_cast<std::int64_t>(i))
                                     : static_cast<std::uint64_t>(i);
    switch (spec.initializer) {
      case Initializer::kZeros:
        break;
      case Initializer::kOnes:
        values[i] = 1;
        break;
      case Initializer::kNormalFanOut:
        values[i] = static_cast<T>(deviation * rng.Normal(stream, number));
        break;
      case Initializer::kUniformFanIn:
        values[i] = static_cast<T>(bound * (2.0 * rng.Uniform(stream, number) - 1.0));
        break;
    }
  }
  return values;
}

}  // namespace

int ParameterSlab::Add(ParameterSpec spec) {
  NAS_CHECK(!values_.defined(), "slab: parameter ", spec.name, " added after Allocate");
  NAS_CHECK(spec.fan >= 1, "slab: parameter ", spec.name, " has fan ", spec.fan,
            ", expected 1 or more");
  for (const ParameterSpec& other : specs_) {
    NAS_CHECK(other.name != spec.name, "slab: there is a parameter ", spec.name, " already");
  }
  specs_.push_back(std::move(spec));
  return static_cast<int>(specs_.size()) - 1;
}

void ParameterSlab::Allocate(Context& context, MemoryCategory category, DType dtype) {
  NAS_CHECK(!values_.defined(), "slab: allocated already");
  NAS_CHECK(dtype == DType::kF32 || dtype == DType::kF64, "slab: parameters in ", Name(dtype),
            ", expected f32 or f64");
  const std::int64_t alignment = kAlignmentBytes / SizeOf(dtype);
  std::vector<std::int64_t> offsets(specs_.size());
  std::int64_t end = 0;
  std::int64_t decaying_end = 0;
  for (const bool decay : {true, false}) {
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].decay != decay) continue;
      offsets[i] = end;
      end += (specs_[i].shape.elements() + alignment - 1) / alignment * alignment;
    }
    if (decay) decaying_end = end;
  }
  Tensor values = context.Empty({end}, dtype, category);
  if (end > 0) Dispatch<Scale>(context, {.alpha = 0, .x = values, .y = values});
  values_ = std::move(values);
  offsets_ = std::move(offsets);
  decaying_elements_ = decaying_end;
  written_.assign(specs_.size(), false);
  context_ = &context;
}

void ParameterSlab::AllocateWorkingCopy(MemoryCategory category) {
  NAS_CHECK(values_.defined() && values_.dtype() == DType::kF32, "slab: a working copy of ",
            values_.defined() ? Name(values_.dtype()) : "nothing", ", expected f32 values");
  NAS_CHECK(!working_copy_.defined(), "slab: there is a working copy already");
  working_copy_ = context_->Empty({decaying_elements_}, DType::kBf16, category);
  RefreshWorkingCopy();
}

void ParameterSlab::RefreshWorkingCopy() {
  if (!working_copy_.defined() || decaying_elements_ == 0) return;
  const Tensor values = values_.Slice(0, {decaying_elements_});
  Dispatch<Cast>(*context_, {.x = values, .y = working_copy_});
}

void ParameterSlab::Initialize(const Rng& rng, const std::string& prefix, NumbersBy by) {
  NAS_CHECK(values_.defined(), "slab: initialized before Allocate");
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const std::string name = prefix + specs_[i].name;
    const std::uint64_t stream = XXH64(name.data(), name.size(), 0);
    const Tensor to = value(static_cast<int>(i));
    const auto fill = [&](const auto& numbers) {
      context_->backend().CopyFromHost(to.data(), numbers.data(),
                                       static_cast<std::size_t>(to.bytes()));
    };
    if (to.dtype() == DType::kF64) {
      fill(InitialValues<double>(specs_[i], rng, stream, by));
    } else {
      fill(InitialValues<float>(specs_[i], rng, stream, by));
    }
  }
  RefreshWorkingCopy();
}

void ParameterSlab::CopyValues(const ParameterSlab& from) {
  const Tensor source = from.values();
  NAS_CHECK(values_.defined() && source.bytes() == values_.bytes(), "slab: copied from ",
            source.bytes(), " bytes to ", values_.defined() ? values_.bytes() : 0);
  context_->backend().CopyOnDevice(values_.data(), source.data(),
                                   static_cast<std::size_t>(source.bytes()));
  RefreshWorkingCopy();
}

std::int64_t ParameterSlab::elements() const {
  std::int64_t elements = 0;
  for (const ParameterSpec& spec : specs_) elements += spec.shape.elements();
  return elements;
}

Tensor ParameterSlab::value(int index) const {
  const auto i = static_cast<std::size_t>(index);
  NAS_CHECK(values_.defined(), "slab: parameter ", specs_.at(i).name, " read before Allocate");
  return values_.Slice(offsets_[i], specs_[i].shape);
}

Tensor ParameterSlab::value(int index, DType dtype) const {
  if (dtype != DType::kBf16) return value(index);
  const auto i = static_cast<std::size_t>(index);
  NAS_CHECK(working_copy_.defined() && specs_.at(i).decay, "slab: parameter ", specs_.at(i).name,
            " read in bf16, of which it has no copy");
  return working_copy_.Slice(offsets_[i], specs_[i].shape);
}

ParameterSlab::GradientTarget ParameterSlab::Gradient(Context& context, int index) {
  if (!gradients_.defined()) gradients_ = Zeros(context, values_, MemoryCategory::kGradients);
  const auto i = static_cast<std::size_t>(index);
  const bool written = written_[i];
  written_[i] = true;
  return {gradients_.Slice(offsets_[i], specs_[i].shape).view(), written};
}

void ParameterSlab::DropGradients() {
  gradients_.Reset();
  written_.assign(specs_.size(), false);
}

Tensor ParameterSlab::momentum(Context& context) {
  if (!momentum_.defined()) momentum_ = Zeros(context, values_, MemoryCategory::kOptimizer);
  return momentum_;
}

}  // namespace nasengine
