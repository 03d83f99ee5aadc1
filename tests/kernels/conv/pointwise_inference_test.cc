// Pointwise convolutions with packed weights against the reference on every instruction set.
// SPDX-License-Identifier: MIT
#include "tests/support/instruction_sets.h"
//
#include "kernels/conv/pointwise_inference.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

class PointwiseInferenceTest : public KernelFixture {
 protected:
  void ExpectAllAgree(const ConvGeometry& g, Activation activation = Activation::kNone) {
    SCOPED_TRACE(ToString(g));
    const Tensor x = RandomTensor({g.n, g.h, g.w, g.c_in}, 1);
    const Tensor w = RandomTensor({g.c_out, g.c_in}, 2);
    const Tensor bias = RandomTensor({g.c_out}, 3);
    const Tensor y = RandomTensor({g.n, g.h, g.w, g.c_out}, 4);
    const Tensor packed = PackPointwise(context(), w);
    PointwiseInference::Args args{.geometry = g,
                                  .x = x,
                                  .w = w,
                                  .bias = bias,
                                  .activation = activation,
                                  .packed = &packed,
                                  .y = y};
    ExpectImplementationsAgree<PointwiseInference>(args, 2);
    args.packed = nullptr;
    ExpectImplementationsAgree<PointwiseInference>(args, 1);
    args.bias = {};
    EXPECT_THROW(Dispatch<PointwiseInference>(context(), args), Error);
  }
};

TEST_F(PointwiseInferenceTest, AllImplementationsAgreeOnEveryInstructionSet) {
  ForEachInstructionSet([&] {
    // One row, as in a linear layer, and rows and columns that two threads cut in all ways.
    ExpectAllAgree({.n = 1, .h = 1, .w = 1, .c_in = 300, .c_out = 1000});
    ExpectAllAgree({.n = 5, .h = 1, .w = 1, .c_in = 300, .c_out = 10});
    ExpectAllAgree({.n = 1, .h = 7, .w = 7, .c_in = 96, .c_out = 320}, Activation::kRelu6);
    ExpectAllAgree({.n = 2, .h = 5, .w = 9, .c_in = 33, .c_out = 81}, Activation::kRelu);
    ExpectAllAgree({.n = 1, .h = 40, .w = 41, .c_in = 16, .c_out = 17});
    ExpectAllAgree({.n = 1, .h = 3, .w = 1, .c_in = 1, .c_out = 1});
    ExpectAllAgree({.n = 0, .h = 3, .w = 4, .c_in = 8, .c_out = 8});
  });
}

}  // namespace
}  // namespace nasengine
