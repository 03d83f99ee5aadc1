// A run reuses what the constructor prepared.
// SPDX-License-Identifier: MIT
#include "nas/deploy/runner.h"

#include <cmath>
#include <memory>
#include <vector>

#include "kernels/conv/mbconv_inference.h"
#include "nas/deploy/fold.h"
#include "tests/nas/deploy/deploy_fixture.h"
#include "tests/support/failing_allocator.h"

namespace nasengine {
namespace {

class RunnerTest : public DeployFixture {
 protected:
  static std::vector<float> Numbers(ConstView view) {
    return {view.As<float>(), view.As<float>() + view.elements()};
  }
};

TEST_F(RunnerTest, RunsAllocateNothing) {
  if (Ours<MbconvInference>().device != context().device().type) {
    GTEST_SKIP() << "the device has no block of ours, and a composed one makes temporaries";
  }
  FailingAllocator counted(allocator(), 0);
  const std::unique_ptr<Context> counting = context().Sibling(counted, context().registry());
  Network network(*counting, Desc());
  Randomize(network);
  FoldedRunner runner(*counting, Fold(*counting, network), 2);
  const Tensor images = Images(2, 0);
  const int prepared = counted.allocations();
  const std::vector<float> first = Numbers(runner.Run(images));
  EXPECT_EQ(counted.allocations(), prepared);
  EXPECT_EQ(Numbers(runner.Run(images)), first);
  EXPECT_EQ(counted.allocations(), prepared);
}

// The difference allowed is the sum of what every operator's terms allow (kernel_check.h), as a
// share of the logits.
TEST_F(RunnerTest, BlocksGiveWhatTheirOperatorsGive) {
  Network network(context(), Desc());
  Randomize(network);
  const FoldedGraph blocks = Fold(context(), network);
  FoldedGraph separate = blocks;
  double tolerance = 0;
  for (FoldedOp& op : separate.ops) {
    op.block = kNoBlock;
    if (!op.weight.defined()) continue;
    const auto terms = static_cast<double>(op.kind == FoldedOpKind::kDepthwise
                                               ? op.kernel * op.kernel
                                               : op.weight.elements() / op.weight.shape()[0]);
    tolerance += ComparisonTolerance(std::sqrt(terms) + terms / 4, DType::kF32, 0);
  }
  AssignBuffers(separate);
  for (const std::int64_t batch : {1, 2, 5}) {
    FoldedRunner as_blocks(context(), blocks, batch);
    FoldedRunner one_by_one(context(), separate, batch);
    EXPECT_LT(as_blocks.buffer_bytes(), one_by_one.buffer_bytes());
    const Tensor images = Images(batch, 3);
    const std::vector<float> expected = Numbers(one_by_one.Run(images));
    const std::vector<float> found = Numbers(as_blocks.Run(images));
    double squares = 0;
    for (const float logit : expected) squares += double{logit} * double{logit};
    const double rms = std::sqrt(squares / static_cast<double>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], tolerance * rms) << "batch " << batch << ", logit " << i;
    }
  }
}

TEST_F(RunnerTest, ReadsTheImagesItIsGiven) {
  Network network(context(), Desc());
  Randomize(network);
  FoldedRunner runner(context(), Fold(context(), network), 1);
  const Tensor a = Images(1, 0);
  const Tensor b = Images(1, 1);
  const std::vector<float> of_a = Numbers(runner.Run(a));
  const std::vector<float> of_b = Numbers(runner.Run(b));
  EXPECT_NE(of_a, of_b);
  EXPECT_EQ(Numbers(runner.Run(a)), of_a);
}

TEST_F(RunnerTest, HoldsFewerBytesThanTheValuesTogether) {
  Network network(context(), Desc());
  const FoldedGraph graph = Fold(context(), network);
  std::int64_t elements = 0;
  for (std::size_t i = 1; i < graph.values.size(); ++i) {
    const Size3& size = graph.values[i].size;
    elements += size.h * size.w * size.c;
  }
  const FoldedRunner runner(context(), graph, 2);
  EXPECT_LT(runner.buffer_bytes(), elements * 2 * 4 / 2);
}

TEST_F(RunnerTest, GivesEverythingBack) {
  const std::int64_t before =
      allocator().stats().active_bytes - static_cast<std::int64_t>(context().workspace_bytes());
  {
    Network network(context(), Desc());
    Randomize(network);
    FoldedRunner runner(context(), Fold(context(), network), 1);
    runner.Run(Images(1, 0));
  }
  EXPECT_LE(
      allocator().stats().active_bytes - static_cast<std::int64_t>(context().workspace_bytes()),
      before + 64);
}

TEST_F(RunnerTest, RefusesImagesOfAnotherShape) {
  Network network(context(), Desc());
  FoldedRunner runner(context(), Fold(context(), network), 2);
  EXPECT_THROW(runner.Run(Images(1, 0)), Error);
  EXPECT_THROW(runner.Run(RandomTensor({2, 13, 11, 4}, 0)), Error);
  EXPECT_THROW(FoldedRunner(context(), Fold(context(), network), 0), Error);
}

}  // namespace
}  // namespace nasengine
