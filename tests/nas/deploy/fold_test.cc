// The folded network computes what the network computes.
// SPDX-License-Identifier: MIT
#include "nas/deploy/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "nas/deploy/runner.h"
#include "tests/nas/deploy/deploy_fixture.h"

namespace nasengine {
namespace {

class FoldTest : public DeployFixture {
 protected:
  static ForwardOptions RunningStatistics() {
    ForwardOptions options;
    options.norm = NormMode::kRunning;
    return options;
  }

  // max |difference| <= 1e-4 * RMS(logits) and equal argmax, image by image.
  static void ExpectSameLogits(const Tensor& expected, ConstView found) {
    ASSERT_EQ(found.shape, expected.shape());
    const std::int64_t classes = expected.shape()[1];
    double sum_squares = 0;
    for (std::int64_t i = 0; i < expected.elements(); ++i) {
      sum_squares += std::pow(expected.As<float>()[i], 2);
    }
    const double rms = std::sqrt(sum_squares / static_cast<double>(expected.elements()));
    ASSERT_GT(rms, 1e-3);
    for (std::int64_t n = 0; n < expected.shape()[0]; ++n) {
      const float* a = expected.As<float>() + n * classes;
      const float* b = found.As<float>() + n * classes;
      for (std::int64_t k = 0; k < classes; ++k) EXPECT_NEAR(a[k], b[k], 1e-4 * rms);
      EXPECT_EQ(std::max_element(a, a + classes) - a, std::max_element(b, b + classes) - b);
    }
  }
};

TEST_F(FoldTest, KeepsTheLogits) {
  Network network(context(), Desc());
  Randomize(network);
  const Tensor images = Images(3, 0);
  Tape tape(context(), GradientsOf::kNothing);
  const Variable logits = network.Forward(tape, images, RunningStatistics());
  FoldedRunner runner(context(), Fold(context(), network), 3);
  ExpectSameLogits(logits.value(), runner.Run(images));
}

TEST_F(FoldTest, ListsTheOperatorsOfTheNetwork) {
  Network network(context(), Desc());
  Randomize(network);
  const FoldedGraph graph = Fold(context(), network);
  std::vector<std::string> ops;
  for (const FoldedOp& op : graph.ops) ops.push_back(std::string(Name(op.kind)) + " " + op.name);
  const std::vector<std::string>& blocks = {network.desc().layers[2].name,
                                            network.desc().layers[3].name};
  EXPECT_EQ(
      ops, (std::vector<std::string>{
               "conv stem", "depthwise first/depthwise", "pointwise first/project", "add first/add",
               "pointwise " + blocks[0] + "/expand", "depthwise " + blocks[0] + "/depthwise",
               "pointwise " + blocks[0] + "/project", "pointwise " + blocks[1] + "/expand",
               "depthwise " + blocks[1] + "/depthwise", "pointwise " + blocks[1] + "/project",
               "add " + blocks[1] + "/add", "pointwise mix", "global_avg_pool classifier/pool",
               "linear classifier/linear"}));
  EXPECT_EQ(graph.result().size, (Size3{1, 1, 7}));
}

TEST_F(FoldTest, OwnsItsWeights) {
  Network network(context(), Desc());
  Randomize(network);
  const Tensor images = Images(1, 1);
  FoldedRunner runner(context(), Fold(context(), network), 1);
  const ConstView first = runner.Run(images);
  const std::vector<float> before(first.As<float>(), first.As<float>() + first.elements());
  network.Initialize(77);
  const ConstView second = runner.Run(images);
  EXPECT_EQ(before, std::vector<float>(second.As<float>(), second.As<float>() + 7));
}

TEST_F(FoldTest, RefusesStatisticsThatAreNone) {
  Network network(context(), Desc());
  Randomize(network);
  ParameterSlab& statistics = network.layers()[0]->buffers();
  ASSERT_EQ(statistics.specs()[1].name, "running_var");
  float* variance = statistics.value(1).As<float>();
  for (const float bad : {-1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    variance[2] = bad;
    try {
      Fold(context(), network);
      FAIL() << "accepted " << bad;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind("fold: layer 'stem': running_var[2]: found ", 0),
                0u)
          << error.what();
    }
  }
}

TEST_F(FoldTest, OneLayerOnItsOwnIsThatLayer) {
  const NetworkDesc desc = Desc();
  const LayerDesc& block = desc.layers[3];
  ASSERT_TRUE(HasResidual(block));
  const FoldedGraph graph = FoldLayer(context(), block, desc.batch_norm, 9);
  EXPECT_EQ(graph.values.front().size, block.in);
  EXPECT_EQ(graph.result().size, block.out);

  BuiltLayer built(context(), block, desc.batch_norm, block.name + "/");
  built.Initialize(Rng(9, RngPurpose::kWeights));
  const Tensor x = RandomTensor({1, block.in.h, block.in.w, block.in.c}, 4);
  Tape tape(context(), GradientsOf::kNothing);
  const Variable expected = built.Forward(tape, Variable(x), RunningStatistics());
  FoldedRunner runner(context(), graph, 1);
  const ConstView found = runner.Run(x);
  ASSERT_EQ(found.shape, expected.shape());
  for (std::int64_t i = 0; i < found.elements(); ++i) {
    EXPECT_NEAR(found.As<float>()[i], Get(expected.value(), i), 1e-4);
  }
}

TEST_F(FoldTest, RefusesToFoldASkippedBlock) {
  const NetworkDesc desc = Desc();
  ASSERT_EQ(desc.layers[4].op, LayerOp::kZero);
  EXPECT_THROW(FoldLayer(context(), desc.layers[4], desc.batch_norm, 1), Error);
}

}  // namespace
}  // namespace nasengine
