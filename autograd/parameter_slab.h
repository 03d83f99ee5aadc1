// The parameters of one candidate (or one fixed layer) in one piece of memory, their momentum in
// another, and their gradients in a third that exists only between a backward pass and the
// optimiser's step.
//
// Training in bf16 keeps a fourth: the weights once more, rounded, as its layers read them. The
// values are the f32 master that the optimiser moves and files hold; whoever moves them sees to the
// copy.
//
// Optimiser, checkpoint and reduction work on whole slabs; an unselected candidate's slab is not
// touched, which keeps its weights and momentum bit for bit.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/rng.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// How a parameter starts [method of the official search]:
enum class Initializer {
  kZeros,
  kOnes,
  kNormalFanOut,  // normal(0, sqrt(2 / fan)), fan = k * k * c_out, also for depthwise
  kUniformFanIn,  // uniform +-1 / sqrt(fan)
};

// Which random number an element gets: by its index alone; or by its place, that is by row and
// column, for a depthwise kernel by the offset from its centre and the channel. By place,
// parameters of one name and other sizes share the numbers where they overlap, up to the deviations
// of their fans.
enum class NumbersBy { kElement, kPlace };

struct ParameterSpec {
  std::string name{};  // unique in the slab, e.g. "expand.weight"
  Shape shape{};
  Initializer initializer = Initializer::kZeros;
  std::int64_t fan = 1;
  bool decay = true;  // false: a batch norm's scale and shift, a bias (weight decay can spare them)
};

class ParameterSlab {
 public:
  // Reserves space and returns the parameter's index. Before Allocate.
  // Throws kInvalidArgument on a repeated name.
  int Add(ParameterSpec spec);
  // Takes values from the context: one block, each parameter aligned to 64 bytes, the decaying ones
  // first. Contents are zero until Initialize. `dtype` is kF32, or kF64 for gradient checks.
  void Allocate(Context& context, MemoryCategory category = MemoryCategory::kWeights,
                DType dtype = DType::kF32);
  // A bf16 copy beside the f32 values of the decaying parameters, which are the weights that layers
  // multiply by; scales, shifts and biases are always read in f32. After Allocate, at most once.
  void AllocateWorkingCopy(MemoryCategory category = MemoryCategory::kWeights);
  // Makes the copy what the values are, for whoever has written them otherwise than by the
  // optimiser or Initialize. Nothing where there is no copy.
  void RefreshWorkingCopy();
  // Every parameter by its initializer; the numbers depend on (seed, prefix + name, element or
  // place) alone, for `rng` of purpose kWeights. After Allocate.
  void Initialize(const Rng& rng, const std::string& prefix, NumbersBy by = NumbersBy::kElement);

  // The values of a slab of the same layout on the same device, working copy included. After
  // Allocate.
  void CopyValues(const ParameterSlab& from);

  const std::vector<ParameterSpec>& specs() const { return specs_; }
  // Parameters, without alignment.
  std::int64_t elements() const;
  Tensor value(int index) const;
  // As a layer on tensors of `dtype` reads it: from the working copy in bf16. Throws
  // kInvalidArgument where there is none of it.
  Tensor value(int index, DType dtype) const;

  // Where a backward kernel writes the gradient of a parameter: the first time since the last
  // DropGradients it overwrites, later it accumulates.
  // The view is valid until DropGradients.
  struct GradientTarget {
    View view;
    bool accumulate = false;
  };
  GradientTarget Gradient(Context& context, int index);
  // Whether Gradient was called for any parameter since the last DropGradients.
  bool has_gradients() const { return gradients_.defined(); }
  void DropGradients();

  // Whole slabs, padding (zero) included. `gradients` has zeros where no gradient was written.
  Tensor values() const { return values_; }
  // Of the decaying parameters; undefined where there is none.
  Tensor working_copy() const { return working_copy_; }
  Tensor gradients() const { return gradients_; }
  // Momentum, made of zeros on first use.
  Tensor momentum(Context& context);
  bool has_momentum() const { return momentum_.defined(); }
  // Elements [0, decaying) of the slab decay, the rest need not.
  std::int64_t decaying_elements() const { return decaying_elements_; }

 private:
  std::vector<ParameterSpec> specs_;
  Context* context_ = nullptr;  // of Allocate, which must outlive the slab
  std::vector<std::int64_t> offsets_;
  std::vector<bool> written_;
  std::int64_t decaying_elements_ = 0;
  Tensor values_;
  Tensor working_copy_;
  Tensor gradients_;
  Tensor momentum_;
};

// A parameter as modules hold it: the slab must outlive the module.
struct Parameter {
  ParameterSlab* slab = nullptr;
  int index = -1;
  Tensor value() const { return slab->value(index); }
  Tensor value(DType dtype) const { return slab->value(index, dtype); }
  bool defined() const { return slab != nullptr; }
};

}  // namespace nasengine
