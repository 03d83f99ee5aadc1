// What a tape keeps, for how long, and what it leaves behind.
// SPDX-License-Identifier: MIT
#include "autograd/tape.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "autograd/module/classifier.h"
#include "autograd/module/conv_bn_act.h"
#include "autograd/optim/sgd.h"
#include "tests/support/failing_allocator.h"
#include "tests/support/gradcheck.h"

namespace nasengine {
namespace {

// Stem, depthwise and pointwise around a residual, classifier: 7 convolutions and norms in all.
struct SmallNet {
  explicit SmallNet(Context& context, DType dtype = DType::kF32) {
    const ModuleSlabs slabs{parameters, buffers};
    stem = std::make_unique<ConvBnAct>(
        ConvBnActOptions{
            .kernel = 3, .stride = 2, .c_in = 3, .c_out = 8, .activation = Activation::kRelu6},
        "stem.", slabs);
    depthwise = std::make_unique<ConvBnAct>(ConvBnActOptions{.kind = ConvKind::kDepthwise,
                                                             .kernel = 3,
                                                             .c_in = 8,
                                                             .c_out = 8,
                                                             .activation = Activation::kRelu6},
                                            "depthwise.", slabs);
    project = std::make_unique<ConvBnAct>(
        ConvBnActOptions{.kind = ConvKind::kPointwise, .c_in = 8, .c_out = 8}, "project.", slabs);
    classifier = std::make_unique<Classifier>(8, 5, 0.0f, "classifier.", slabs);
    parameters.Allocate(context, MemoryCategory::kWeights, dtype);
    buffers.Allocate(context, MemoryCategory::kWeights, dtype);
    parameters.Initialize(Rng(1, RngPurpose::kWeights), "net/");
    buffers.Initialize(Rng(1, RngPurpose::kWeights), "net/");
  }

  Variable Forward(Tape& tape, const Variable& images) const {
    const Variable x = stem->Forward(tape, images, {});
    const Variable branch = project->Forward(tape, depthwise->Forward(tape, x, {}), {});
    return classifier->Forward(tape, Sum(tape, branch, x), {});
  }

  ParameterSlab parameters;
  ParameterSlab buffers;
  std::unique_ptr<ConvBnAct> stem, depthwise, project;
  std::unique_ptr<Classifier> classifier;
};

class TapeTest : public GradientFixture {
 protected:
  Tensor Labels(Context& context, std::int32_t n) {
    Tensor labels = context.Empty({n}, DType::kI32, MemoryCategory::kData);
    for (std::int32_t i = 0; i < n; ++i) labels.As<std::int32_t>()[i] = i % 5;
    return labels;
  }

  // Passes the gradient on and tells where it lay.
  static Variable Tap(Tape& tape, const Variable& x, const void** seen) {
    Variable out = tape.Output(x.value());
    tape.Record(
        {.name = "tap",
         .backward = [out = out.slot(), in = x.slot(), seen](Context& context, std::span<Tensor>) {
           Tensor dy = out->Take();
           *seen = dy.data();
           in->Accumulate(context, std::move(dy));
         }});
    return out;
  }

  std::int64_t Active() { return allocator().stats().active_bytes; }
  std::int64_t Active(MemoryCategory category) {
    return allocator().stats().active_by_category[static_cast<std::size_t>(category)];
  }
};

TEST_F(TapeTest, WholeNetworkMatchesFiniteDifferences) {
  if (!on_cpu()) GTEST_SKIP() << kNeedsF64;
  SmallNet net(context(), DType::kF64);
  const Tensor images = RandomTensor({3, 7, 6, 3}, 1, DType::kF64);
  ExpectTapeGradients(images, net.parameters,
                      [&](Tape& tape, const Variable& x) { return net.Forward(tape, x); });
}

// The kernels in use and f32, against f64 references on the same numbers.
TEST_F(TapeTest, FastKernelsGiveTheReferencesGradients) {
  const std::unique_ptr<DeviceBackend> cpu = MakeCpuBackend();
  const KernelRegistry cpu_registry = MakeCpuRegistry();
  CachingAllocator cpu_allocator(*cpu);
  Context cpu_context(*cpu, cpu_allocator, cpu_registry, KernelPolicy(), 2);
  SmallNet net(context());
  SmallNet exact(cpu_context, DType::kF64);
  for (int i = 0; i < static_cast<int>(net.parameters.specs().size()); ++i) {
    const Tensor from = net.parameters.value(i);
    const Tensor to = exact.parameters.value(i);
    for (std::int64_t e = 0; e < from.elements(); ++e) Set(to, e, Get(from, e));
  }
  const Tensor images = RandomTensor({4, 8, 8, 3}, 1);
  const Tensor exact_images = cpu_context.Empty(images.shape(), DType::kF64, MemoryCategory::kData);
  for (std::int64_t e = 0; e < images.elements(); ++e) Set(exact_images, e, Get(images, e));
  const auto backward = [&](Context& on, SmallNet& of, const Tensor& x) {
    Tape tape(on, GradientsOf::kActivationsAndParameters);
    const Variable y = of.Forward(tape, Variable(x));
    tape.Backward(SoftmaxCrossEntropy(tape, y, Labels(on, 4), 0.1f).loss);
  };
  backward(context(), net, images);
  backward(cpu_context, exact, exact_images);
  for (int i = 0; i < static_cast<int>(net.parameters.specs().size()); ++i) {
    const ParameterSpec& spec = net.parameters.specs()[static_cast<std::size_t>(i)];
    const View found = net.parameters.Gradient(context(), i).view;
    const View expected = exact.parameters.Gradient(cpu_context, i).view;
    double square = 0;
    for (std::int64_t e = 0; e < expected.elements(); ++e) {
      square += expected.As<double>()[e] * expected.As<double>()[e];
    }
    const double rms = std::sqrt(square / static_cast<double>(expected.elements()));
    for (std::int64_t e = 0; e < expected.elements(); ++e) {
      EXPECT_NEAR(found.As<float>()[e], expected.As<double>()[e], 1e-4 * rms) << spec.name;
    }
  }
}

TEST_F(TapeTest, SavedBytesAreWhatBackwardReads) {
  ParameterSlab parameters;
  ParameterSlab buffers;
  const ConvBnAct first({.kernel = 3, .c_in = 3, .c_out = 8, .activation = Activation::kRelu},
                        "first.", {parameters, buffers});
  const ConvBnAct second({.kind = ConvKind::kPointwise, .c_in = 8, .c_out = 16}, "second.",
                         {parameters, buffers});
  parameters.Allocate(context());
  buffers.Allocate(context());
  const auto saved = [&](GradientsOf gradients, bool input_wants) {
    Tape tape(context(), gradients);
    const Tensor images = RandomTensor({2, 4, 4, 3}, 1);
    const Variable x = input_wants ? Variable::WithGradient(images) : Variable(images);
    const Variable y = second.Forward(tape, first.Forward(tape, x, {}), {});
    EXPECT_EQ(y.wants_gradient(), tape.nodes() > 0);
    return std::pair(tape.saved_bytes(), tape.nodes());
  };
  constexpr std::int64_t kPixels = 2 * 4 * 4;
  // x of the norms and their mean and inv_std
  constexpr std::int64_t kNorms = 4 * (kPixels * 8 + 2 * 8 + kPixels * 16 + 2 * 16);
  // x of the convolutions: the images, and the first norm's result
  constexpr std::int64_t kConvs = 4 * (kPixels * 3 + kPixels * 8);
  using Pair = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(saved(GradientsOf::kActivationsAndParameters, true), Pair(kNorms + kConvs, 4));
  EXPECT_EQ(saved(GradientsOf::kActivationsAndParameters, false), Pair(kNorms + kConvs, 4));
  EXPECT_EQ(saved(GradientsOf::kActivations, true), Pair(kNorms, 4));
  EXPECT_EQ(saved(GradientsOf::kActivations, false), Pair(0, 0));
  EXPECT_EQ(saved(GradientsOf::kNothing, true), Pair(0, 0));
}

TEST_F(TapeTest, SharedStorageCountsOnce) {
  Tape tape(context(), GradientsOf::kActivations);
  const Variable x = Variable::WithGradient(RandomTensor({1, 4, 4, 2}, 1));
  MaxPool(tape, x, {3, 1, 1});
  MaxPool(tape, x, {3, 2, 1});
  EXPECT_EQ(tape.saved_bytes(), x.value().bytes());
}

TEST_F(TapeTest, BackwardLeavesOnlyParameterGradients) {
  SmallNet net(context());
  const Tensor images = RandomTensor({4, 8, 8, 3}, 1);
  const Tensor labels = Labels(context(), 4);
  const std::int64_t activations = Active(MemoryCategory::kActivations);
  {
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    Variable loss = SoftmaxCrossEntropy(tape, net.Forward(tape, Variable(images)), labels, 0).loss;
    EXPECT_GT(Active(MemoryCategory::kActivations), activations);
    tape.Backward(loss);
    loss = Variable();
    EXPECT_EQ(tape.nodes(), 0);
    EXPECT_EQ(tape.saved_bytes(), 0);
    EXPECT_EQ(Active(MemoryCategory::kActivations), activations);
  }
  EXPECT_TRUE(net.parameters.has_gradients());
  EXPECT_EQ(Active(MemoryCategory::kGradients), net.parameters.gradients().bytes());
  net.parameters.DropGradients();
  EXPECT_EQ(Active(MemoryCategory::kGradients), 0);
}

TEST_F(TapeTest, ActivationsTapeFormsNoParameterGradients) {
  SmallNet net(context());
  Tape tape(context(), GradientsOf::kActivations);
  const Variable x = Variable::WithGradient(RandomTensor({4, 8, 8, 3}, 1));
  const Tensor labels = Labels(context(), 4);
  tape.Backward(SoftmaxCrossEntropy(tape, net.Forward(tape, x), labels, 0).loss);
  EXPECT_FALSE(net.parameters.has_gradients());
  EXPECT_EQ(Active(MemoryCategory::kGradients), 0);
  EXPECT_FALSE(x.slot()->empty());
}

TEST_F(TapeTest, BothKindsOfTapeGiveTheSameActivationGradients) {
  SmallNet net(context());
  const Tensor images = RandomTensor({4, 8, 8, 3}, 1);
  const auto dx = [&](GradientsOf gradients) {
    Tape tape(context(), gradients);
    const Variable x = Variable::WithGradient(images);
    tape.Backward(Project(tape, net.Forward(tape, x)));
    return x.slot()->Take();
  };
  const Tensor a = dx(GradientsOf::kActivations);
  const Tensor b = dx(GradientsOf::kActivationsAndParameters);
  for (std::int64_t i = 0; i < a.elements(); ++i) ASSERT_EQ(Get(a, i), Get(b, i)) << i;
}

TEST_F(TapeTest, NormWritesItsGradientInPlace) {
  ParameterSlab parameters;
  const Parameter gamma = AddParameter(parameters, "gamma", {3});
  const Parameter beta = AddParameter(parameters, "beta", {3});
  Fill(parameters, DType::kF32);
  const Tensor running = Filled({3}, 1);
  Tape tape(context(), GradientsOf::kActivations);
  const Variable x = Variable::WithGradient(RandomTensor({2, 3, 3, 3}, 1));
  const void* below = nullptr;
  const void* above = nullptr;
  const Variable y = BatchNorm(tape, Tap(tape, x, &below), gamma, beta, running, running, {});
  tape.Backward(Project(tape, Tap(tape, y, &above)));
  EXPECT_NE(below, nullptr);
  EXPECT_EQ(below, above);
}

TEST_F(TapeTest, ConvolutionDropsItsInputBeforeAskingForItsGradient) {
  ParameterSlab parameters;
  const Parameter w = AddParameter(parameters, "w", {3, 3, 32});
  Fill(parameters, DType::kF32);
  const auto run = [&] {
    Tape tape(context(), GradientsOf::kActivationsAndParameters);
    const Shape shape{1, 32, 32, 32};
    const std::int64_t bytes = shape.elements() * 4;
    Variable loss;
    {
      const Variable x = Variable::WithGradient(RandomTensor(shape, 1));
      loss = Project(tape, DepthwiseConv(tape, x, w, {3, 1, 1}));
    }
    const std::int64_t before = Active();
    allocator().ResetPeak();
    tape.Backward(loss);
    parameters.DropGradients();
    // Saved before: x and the projection, which becomes dy. dx takes the place of x.
    return (allocator().stats().peak_bytes - before) / static_cast<double>(bytes);
  };
  run();  // grows the workspace
  EXPECT_LT(run(), 0.5);
}

TEST_F(TapeTest, GradientThatNeverArrivesCostsNothing) {
  ParameterSlab used;
  ParameterSlab unused;
  const Parameter w = AddParameter(used, "w", {3, 3});
  const Parameter idle = AddParameter(unused, "idle", {3, 3});
  Fill(used, DType::kF32);
  Fill(unused, DType::kF32);
  Tape tape(context(), GradientsOf::kActivationsAndParameters);
  const Variable x(RandomTensor({1, 2, 2, 3}, 1));
  const Variable y = PointwiseConv(tape, x, w);
  PointwiseConv(tape, y, idle);
  tape.Backward(Project(tape, y));
  EXPECT_TRUE(used.has_gradients());
  EXPECT_FALSE(unused.has_gradients());
}

TEST_F(TapeTest, FailingAllocatorLeavesNothingBehind) {
  const Tensor images = RandomTensor({2, 8, 8, 3}, 1);
  const Tensor labels = Labels(context(), 2);
  const std::int64_t before = Active();
  int failures = 0;
  for (int fail_at = 1; failures == fail_at - 1; ++fail_at) {
    ASSERT_LT(fail_at, 1000);
    FailingAllocator failing(allocator(), fail_at);
    const std::unique_ptr<Context> tight = context().Sibling(failing, context().registry());
    try {
      SmallNet net(*tight);
      Tape tape(*tight, GradientsOf::kActivationsAndParameters);
      tape.Backward(SoftmaxCrossEntropy(tape, net.Forward(tape, Variable(images)), labels, 0).loss);
      ParameterSlab* const slab = &net.parameters;
      SgdOptimizer({}).Step(*tight, {&slab, 1}, 0.1f);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
      ++failures;
    }
    tight->ReserveWorkspace(0);
    EXPECT_LE(Active(), before + static_cast<std::int64_t>(tight->workspace_bytes()) + 64);
  }
  EXPECT_EQ(Active(), before);
  EXPECT_GT(failures, 20);
}

TEST_F(TapeTest, FailedBackwardEmptiesTheTape) {
  Tape tape(context(), GradientsOf::kActivations);
  const Variable x = Variable::WithGradient(RandomTensor({1, 4, 4, 2}, 1));
  const Variable pooled = MaxPool(tape, x, {3, 1, 1});
  const Variable y = tape.Output(pooled.value());
  tape.Record({.name = "broken", .backward = [](Context&, std::span<Tensor>) {
                 Throw(ErrorCode::kDevice, "broken");
               }});
  EXPECT_THROW(tape.Backward(Project(tape, y)), Error);
  EXPECT_EQ(tape.nodes(), 0);
}

TEST_F(TapeTest, RefusesALossThatIsNotItsOwn) {
  Tape tape(context(), GradientsOf::kActivations);
  Tape other(context(), GradientsOf::kActivations);
  const Variable x = Variable::WithGradient(RandomTensor({2, 2}, 1));
  EXPECT_THROW(tape.Backward(Variable()), Error);
  EXPECT_THROW(tape.Backward(x), Error);
  EXPECT_THROW(tape.Backward(Variable(Filled({}, 1))), Error);
  EXPECT_THROW(tape.Backward(Project(other, x)), Error);
  EXPECT_NO_THROW(other.Backward(Project(other, x)));
}

TEST_F(TapeTest, RefusesToRecordWithoutRecording) {
  Tape tape(context(), GradientsOf::kNothing);
  EXPECT_THROW(tape.Record({.name = "any"}), Error);
}

}  // namespace
}  // namespace nasengine
