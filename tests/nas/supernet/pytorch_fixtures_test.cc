// The engine against PyTorch: one training step of small blocks and of a path of a supernet, as
// recorded in tests/fixtures/pytorch.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "autograd/optim/sgd.h"
#include "autograd/state_dict.h"
#include "nas/space/architecture_file.h"
#include "nas/supernet/network.h"
#include "nas/supernet/supernet.h"
#include "nas/train/trainer.h"
#include "tests/support/gradcheck.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

double Root(std::int64_t terms) { return std::sqrt(static_cast<double>(terms)); }

// Sum of the square roots of the terms of every sum that may lie between an input of the step and
// one of its results: of a convolution's output, of its two gradients, of batch statistics both
// ways.
double Drift(const NetworkDesc& network, std::int64_t batch) {
  double drift = 0;
  const auto add_stage = [&](std::int64_t taps, std::int64_t c_in, std::int64_t c_out,
                             const Size3& out) {
    const std::int64_t rows = batch * out.h * out.w;
    drift += Root(taps * c_in) + Root(taps * c_out) + Root(rows);  // y, dx, dw
    drift += 2 * Root(rows);                                       // statistics, their gradients
  };
  for (const LayerDesc& layer : network.layers) {
    const std::int64_t taps = layer.kernel * layer.kernel;
    const std::int64_t middle = layer.in.c * layer.expand;
    if (layer.op == LayerOp::kConv) add_stage(taps, layer.in.c, layer.out.c, layer.out);
    if (layer.op == LayerOp::kMbconv) {
      add_stage(1, layer.in.c, middle, layer.in);
      add_stage(taps, 1, 1, layer.out);
      add_stage(1, middle, layer.out.c, layer.out);
    }
    if (layer.op == LayerOp::kClassifier) {
      drift += Root(layer.in.h * layer.in.w) + Root(layer.in.c) + 2 * Root(network.classes) +
               Root(batch);
    }
  }
  return drift;
}

double Number(const Metadata& metadata, const std::string& key) {
  return std::stod(metadata.at(key));
}

class PytorchFixtureTest : public GradientFixture {
 protected:
  void Open(const std::string& name) {
    path_ = std::string(NASENGINE_FIXTURES) + "/pytorch/" + name + ".safetensors";
    file_ = ReadStateDict(context(), path_, MemoryCategory::kData);
    desc_ = ArchitectureFromJson(file_.metadata.at("architecture"), path_);
    drift_ = Drift(desc_, Recorded("labels").elements());
  }

  const Tensor& Recorded(const std::string& name) const {
    const Tensor* tensor = file_.state.Find(name);
    NAS_CHECK(tensor != nullptr, path_, ": no tensor ", name);
    return *tensor;
  }

  // Weights and running statistics as they were before the step.
  void Load(const Network& network) {
    const StateDict state = network.state_dict();
    for (const StateDict::Entry& entry : state.entries()) {
      const Tensor& recorded = Recorded("before/" + entry.name);
      ASSERT_EQ(entry.tensor.shape(), recorded.shape()) << entry.name;
      std::memcpy(entry.tensor.data(), recorded.data(), static_cast<std::size_t>(recorded.bytes()));
    }
  }

  // Both sides sum in f32: 8 eps * drift * RMS, as tests of single operators allow 8 eps * sqrt(K)
  // * RMS.
  void ExpectClose(ConstView found, const std::string& name) {
    const Tensor& recorded = Recorded(name);
    ASSERT_EQ(found.elements(), recorded.elements()) << name;
    const double rms = std::sqrt(Dot(recorded, recorded) / static_cast<double>(found.elements()));
    const double tolerance = 8 * std::numeric_limits<float>::epsilon() * drift_ * rms;
    for (std::int64_t i = 0; i < found.elements(); ++i) {
      ASSERT_NEAR(found.As<float>()[i], recorded.As<float>()[i], tolerance)
          << name << " element " << i << ", RMS " << rms;
    }
  }

  void ExpectState(const Network& network, const std::string& prefix) {
    const StateDict state = network.state_dict();
    for (const StateDict::Entry& entry : state.entries()) {
      ExpectClose(entry.tensor, prefix + entry.name);
    }
  }

  SgdOptions Sgd() const {
    return {.momentum = static_cast<float>(Number(file_.metadata, "momentum")),
            .nesterov = file_.metadata.at("nesterov") == "True",
            .weight_decay = static_cast<float>(Number(file_.metadata, "weight_decay"))};
  }
  double lr() const { return Number(file_.metadata, "lr"); }
  float smoothing() const { return static_cast<float>(Number(file_.metadata, "smoothing")); }

  std::string path_;
  LoadedState file_;
  NetworkDesc desc_;
  double drift_ = 0;
};

class PytorchBlockTest : public PytorchFixtureTest,
                         public ::testing::WithParamInterface<const char*> {};

TEST_P(PytorchBlockTest, GivesPytorchsNumbers) {
  Open(GetParam());
  Network network(context(), desc_);
  Load(network);
  Tape tape(context(), GradientsOf::kActivationsAndParameters);
  const Variable images = Variable::WithGradient(Recorded("images"));
  Variable x = images;
  Variable loss;
  for (std::size_t i = 0; i < desc_.layers.size(); ++i) {
    x = network.layers()[i]->Forward(tape, x, {});
    ExpectClose(x.value(), "output/" + desc_.layers[i].name);
    if (i == 0 && file_.state.Find("dy") != nullptr) loss = Project(tape, x, Recorded("dy"));
  }
  const Variable entropy = SoftmaxCrossEntropy(tape, x, Recorded("labels"), smoothing()).loss;
  loss = loss.value().defined() ? Sum(tape, loss, entropy) : entropy;
  ExpectClose(loss.value(), "loss");

  tape.Backward(loss);
  ExpectClose(images.slot()->Take(), "gradient/images");
  for (const auto& layer : network.layers()) {
    ParameterSlab& slab = layer->parameters();
    for (int p = 0; p < static_cast<int>(slab.specs().size()); ++p) {
      const std::string& name = slab.specs()[static_cast<std::size_t>(p)].name;
      const ParameterSlab::GradientTarget gradient = slab.Gradient(context(), p);
      ASSERT_TRUE(gradient.accumulate) << name << ": the backward pass wrote no gradient";
      ExpectClose(gradient.view, "gradient/" + layer->name() + name);
    }
  }

  SgdOptimizer(Sgd()).Step(context(), network.Slabs(), static_cast<float>(lr()));
  ExpectState(network, "after/");
}

INSTANTIATE_TEST_SUITE_P(All, PytorchBlockTest,
                         ::testing::Values("stem", "mbconv_k3", "mbconv_k5_stride2", "mbconv_k7",
                                           "supernet_path"),
                         [](const auto& info) { return std::string(info.param); });

// The recorded path among candidates that must not matter: as a search takes its weight steps.
TEST_F(PytorchFixtureTest, AWeightStepOfASupernetIsPytorchsStepOfItsPath) {
  Open("supernet_path");
  const SearchSpace space =
      TinySpace({.input = {12, 12, 2}, .classes = 5, .candidates = {"3x3_MBConv6", "5x5_MBConv3"}});
  const Path path{1, 0};
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  Network before(context(), desc_);
  Load(before);
  const std::vector<ParameterSlab*> slabs = supernet.Slabs(path);
  ASSERT_EQ(slabs.size(), before.Slabs().size());
  for (std::size_t i = 0; i < slabs.size(); ++i) {
    const Tensor from = before.Slabs()[i]->values();
    ASSERT_EQ(slabs[i]->values().bytes(), from.bytes());
    std::memcpy(slabs[i]->values().data(), from.data(), static_cast<std::size_t>(from.bytes()));
  }

  const SgdOptions sgd = Sgd();
  const Trainer trainer({.momentum = sgd.momentum,
                         .nesterov = sgd.nesterov,
                         .weight_decay = sgd.weight_decay,
                         .label_smoothing = smoothing()});
  const StepResult result =
      trainer.Step(context(), supernet, path,
                   {.images = Recorded("images"), .labels = Recorded("labels")}, lr());
  const auto loss = static_cast<float>(result.loss);
  ExpectClose(ConstView{&loss, {1}, DType::kF32}, "loss");
  ExpectState(*supernet.Derive(context(), path), "after/");
}

}  // namespace
}  // namespace nasengine
