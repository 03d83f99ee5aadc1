// Proving a function's gradient through the tape: in f64, with the reference kernels, against
// central differences of a random projection of its output.
// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "autograd/functions/functions.h"
#include "kernels/core/kernel_registry.h"
#include "kernels/elementwise/elementwise.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {

// A test that needs f64 skips elsewhere than on a CPU: only the references have it, and what they
// prove of a function holds for every device whose kernels agree with them.
inline constexpr const char* kNeedsF64 = "computes in f64, which devices do not";

class GradientFixture : public KernelFixture {
 protected:
  GradientFixture() : KernelFixture(EmulatedMemory::kCounted) {}

  // Small beside the distance of a network's activations from the kinks of relu and relu6, and
  // large beside the rounding of an f64 loss.
  static constexpr double kStep = 1e-6;

  using Function = std::function<Variable(Tape&, const Variable& x)>;

  // <y, seeded normal numbers>: a loss that no error in y's gradient escapes.
  Variable Project(Tape& tape, const Variable& y) {
    return Project(tape, y, RandomTensor(y.shape(), 77, y.value().dtype()));
  }
  // <y, direction>; the backward pass overwrites `direction`.
  Variable Project(Tape& tape, const Variable& y, Tensor direction) {
    Tensor value = context().Empty({}, y.value().dtype(), MemoryCategory::kActivations);
    Dispatch<InnerProduct>(context(), {.a = y.value(), .b = direction, .result = value});
    if (!tape.recording() || !y.wants_gradient()) return Variable(std::move(value));
    Variable loss = tape.Output(std::move(value));
    tape.Record(
        {.name = "project",
         .saved = {std::move(direction)},
         .backward = [out = loss.slot(), in = y.slot()](Context& context, std::span<Tensor> saved) {
           const Tensor dloss = out->Take();
           if (!dloss.defined()) return;
           Dispatch<Scale>(
               context, {.alpha = static_cast<float>(Get(dloss, 0)), .x = saved[0], .y = saved[0]});
           in->Accumulate(context, std::move(saved[0]));
         }});
    return loss;
  }

  // A parameter of a slab yet to be allocated.
  static Parameter AddParameter(ParameterSlab& slab, const std::string& name, const Shape& shape) {
    return {&slab, slab.Add({.name = name, .shape = shape})};
  }

  // Allocates the slab and fills every parameter with normal numbers.
  void Fill(ParameterSlab& slab, DType dtype = DType::kF64, double mean = 0) {
    if (dtype == DType::kF64 && !on_cpu()) GTEST_SKIP() << kNeedsF64;
    slab.Allocate(context(), MemoryCategory::kWeights, dtype);
    for (int i = 0; i < static_cast<int>(slab.specs().size()); ++i) {
      const Tensor value = slab.value(i);
      const Tensor numbers =
          RandomTensor(value.shape(), 100 + static_cast<std::uint64_t>(i), dtype, 1, mean);
      for (std::int64_t e = 0; e < value.elements(); ++e) Set(value, e, Get(numbers, e));
    }
  }

  // Holds the gradients of Project(function(x)) with respect to x and to every parameter of `slab`
  // against differences. All in f64.
  void ExpectTapeGradients(const Tensor& x, ParameterSlab& slab, const Function& function,
                           float seed = 1) {
    if (!on_cpu()) GTEST_SKIP() << kNeedsF64;
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    const Variable x_variable = Variable::WithGradient(x);
    tape.Backward(Project(tape, function(tape, x_variable)), seed);
    const auto loss = [&] {
      Tape unrecorded(context(), GradientsOf::kNothing);
      return seed * Get(Project(unrecorded, function(unrecorded, Variable(x))).value(), 0);
    };
    const Tensor dx = x_variable.slot()->Take();
    ASSERT_TRUE(dx.defined());
    ASSERT_EQ(dx.shape(), x.shape());
    {
      SCOPED_TRACE("dx");
      ExpectGradient(x, dx, loss, kStep);
    }
    for (int i = 0; i < static_cast<int>(slab.specs().size()); ++i) {
      const ParameterSpec& spec = slab.specs()[static_cast<std::size_t>(i)];
      SCOPED_TRACE("d" + spec.name);
      const ParameterSlab::GradientTarget target = slab.Gradient(context(), i);
      ASSERT_TRUE(target.accumulate) << "backward did not write the gradient";
      Tensor gradient = context().Empty(spec.shape, DType::kF64, MemoryCategory::kActivations);
      for (std::int64_t e = 0; e < gradient.elements(); ++e) {
        Set(gradient, e, target.view.As<double>()[e]);
      }
      ExpectGradient(slab.value(i), gradient, loss, kStep);
    }
    slab.DropGradients();
  }
};

}  // namespace nasengine
