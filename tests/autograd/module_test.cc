// What the layers add to their slabs, and what they compute.
// SPDX-License-Identifier: MIT
#include "autograd/module/module.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "autograd/module/classifier.h"
#include "autograd/module/conv_bn_act.h"
#include "autograd/module/linear_layer.h"
#include "tests/support/gradcheck.h"

namespace nasengine {
namespace {

class ModuleTest : public GradientFixture {
 protected:
  // "name shape fan decay" of every parameter.
  static std::vector<std::string> Describe(const ParameterSlab& slab) {
    std::vector<std::string> lines;
    for (const ParameterSpec& spec : slab.specs()) {
      lines.push_back(StrCat(spec.name, " ", ToString(spec.shape), " ",
                             static_cast<int>(spec.initializer), " ", spec.fan,
                             spec.decay ? " decay" : ""));
    }
    return lines;
  }
  void Make(ParameterSlab& parameters, ParameterSlab& buffers) {
    for (ParameterSlab* slab : {&parameters, &buffers}) {
      slab->Allocate(context());
      slab->Initialize(Rng(1, RngPurpose::kWeights), "");
    }
  }
};

TEST_F(ModuleTest, ConvBnActAddsItsParameters) {
  const auto describe = [](const ConvBnActOptions& options) {
    ParameterSlab parameters;
    ParameterSlab buffers;
    const ConvBnAct module(options, "x.", {parameters, buffers});
    EXPECT_EQ(Describe(buffers), (std::vector<std::string>{"x.running_mean 8 0 1 decay",
                                                           "x.running_var 8 1 1 decay"}));
    const std::vector<std::string> lines = Describe(parameters);
    EXPECT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines[1], "x.gamma 8 1 1");
    EXPECT_EQ(lines[2], "x.beta 8 0 1");
    return lines[0];
  };
  EXPECT_EQ(describe({.kernel = 3, .c_in = 3, .c_out = 8}), "x.weight 8x3x3x3 2 72 decay");
  EXPECT_EQ(describe({.kind = ConvKind::kPointwise, .c_in = 3, .c_out = 8}),
            "x.weight 8x3 2 8 decay");
  EXPECT_EQ(describe({.kind = ConvKind::kDepthwise, .kernel = 5, .c_in = 8, .c_out = 8}),
            "x.weight 5x5x8 2 200 decay");
}

TEST_F(ModuleTest, ConvBnActRefusesContradictions) {
  ParameterSlab parameters;
  ParameterSlab buffers;
  const auto make = [&](const ConvBnActOptions& options) {
    ConvBnAct(options, "x.", {parameters, buffers});
  };
  EXPECT_THROW(make({.kernel = 3, .c_in = 0, .c_out = 8}), Error);
  EXPECT_THROW(make({.kernel = 2, .c_in = 1, .c_out = 8}), Error);
  EXPECT_THROW(make({.kernel = 3, .stride = 0, .c_in = 1, .c_out = 8}), Error);
  EXPECT_THROW(make({.kind = ConvKind::kPointwise, .kernel = 3, .c_in = 1, .c_out = 8}), Error);
  EXPECT_THROW(make({.kind = ConvKind::kPointwise, .stride = 2, .c_in = 1, .c_out = 8}), Error);
  EXPECT_THROW(make({.kind = ConvKind::kDepthwise, .kernel = 3, .c_in = 1, .c_out = 8}), Error);
  EXPECT_TRUE(parameters.specs().empty());
}

TEST_F(ModuleTest, ConvBnActHalvesOddImagesRoundingUp) {
  ParameterSlab parameters;
  ParameterSlab buffers;
  const ConvBnAct module(
      {.kind = ConvKind::kDepthwise, .kernel = 5, .stride = 2, .c_in = 4, .c_out = 4}, "x.",
      {parameters, buffers});
  Make(parameters, buffers);
  Tape tape(context(), GradientsOf::kNothing);
  const Variable y = module.Forward(tape, Variable(RandomTensor({2, 7, 8, 4}, 1)), {});
  EXPECT_EQ(y.shape(), (Shape{2, 4, 4, 4}));
}

TEST_F(ModuleTest, ForwardOptionsRuleTheStatistics) {
  ParameterSlab parameters;
  ParameterSlab buffers;
  const ConvBnAct module({.kind = ConvKind::kPointwise, .c_in = 2, .c_out = 3}, "x.",
                         {parameters, buffers});
  Make(parameters, buffers);
  const Variable x(RandomTensor({4, 3, 3, 2}, 1));
  const auto forward = [&](const ForwardOptions& options) {
    Tape tape(context(), GradientsOf::kNothing);
    module.Forward(tape, x, options);
    return Get(buffers.value(0), 0);
  };
  EXPECT_EQ(forward({.norm = NormMode::kBatchFrozen}), 0);
  EXPECT_EQ(forward({.norm = NormMode::kRunning}), 0);
  const double moved = forward({.norm = NormMode::kBatch});
  EXPECT_NE(moved, 0);
  // With momentum 1 the running mean becomes the batch's, of which a tenth had arrived before.
  EXPECT_NEAR(forward({.norm = NormMode::kBatch, .norm_momentum = 1.0f}), 10 * moved,
              1e-5 * std::abs(10 * moved));
}

TEST_F(ModuleTest, ClassifierPoolsDropsAndProjects) {
  ParameterSlab parameters;
  ParameterSlab buffers;
  const Classifier module(4, 3, 0.5f, "head.", {parameters, buffers});
  EXPECT_EQ(Describe(parameters),
            (std::vector<std::string>{"head.weight 3x4 3 4 decay", "head.bias 3 0 1"}));
  EXPECT_TRUE(buffers.specs().empty());
  Make(parameters, buffers);
  const Variable x(RandomTensor({2, 3, 3, 4}, 1));
  const auto forward = [&](const ForwardOptions& options) {
    Tape tape(context(), GradientsOf::kNothing);
    const Tensor y = module.Forward(tape, x, options).value();
    EXPECT_EQ(y.shape(), (Shape{2, 3}));
    return std::vector<float>(y.As<float>(), y.As<float>() + y.elements());
  };
  double expected = 0;
  for (int c = 0; c < 4; ++c) {
    double mean = 0;
    for (int pixel = 0; pixel < 9; ++pixel) mean += Get(x.value(), 4 * pixel + c) / 9;
    expected += mean * Get(parameters.value(0), c);
  }
  EXPECT_NEAR(forward({})[0], expected, 1e-6);
  const Rng rng(1, RngPurpose::kDropout);
  EXPECT_NE(forward({.dropout_rng = &rng, .step = 1}), forward({}));
  EXPECT_EQ(forward({.dropout_rng = &rng, .step = 1}), forward({.dropout_rng = &rng, .step = 1}));
  EXPECT_THROW(Classifier(4, 3, 1.0f, "bad.", {parameters, buffers}), Error);
}

}  // namespace
}  // namespace nasengine
