// A small network with every kind of layer and statistics that are not those of a fresh one.
// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "nas/space/space_file.h"
#include "nas/supernet/network.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {

inline constexpr const char* kDeploySpace = R"(version = 1
name = "deploy"
input = [13, 11, 3]
classes = 7
[[layer]]
name = "stem"
op = "conv"
channels = 8
kernel = 3
stride = 2
activation = "relu6"
key = "Conv"
[[layer]]
name = "first"
op = "mbconv"
channels = 8
kernel = 3
expand = 1
[[stage]]
channels = 16
blocks = 3
stride = 2
candidates = ["3x3_MBConv3", "5x5_MBConv6"]
zero = true
[[layer]]
name = "mix"
op = "conv"
channels = 24
kernel = 1
activation = "relu"
key = "Conv_1"
[[layer]]
name = "classifier"
op = "classifier"
)";

class DeployFixture : public KernelFixture {
 protected:
  DeployFixture() : KernelFixture(EmulatedMemory::kCounted) {}

  // 5x5 with stride 2, 3x3 with residual, skipped.
  static NetworkDesc Desc() {
    return Derive(ParseSpace(kDeploySpace, "deploy.toml"), std::vector<int>{1, 0, 2});
  }

  // Weights by initializer; scale, shift and statistics drawn, so that none of them can be left out
  // unnoticed.
  void Randomize(Network& network) {
    network.Initialize(5);
    for (const auto& layer : network.layers()) {
      if (layer == nullptr) continue;
      for (ParameterSlab* slab : {&layer->parameters(), &layer->buffers()}) RandomizeNorm(*slab);
    }
  }

  Tensor Images(std::int64_t n, std::uint64_t stream) {
    return RandomTensor({n, 13, 11, 3}, 1000 + stream);
  }

 private:
  void RandomizeNorm(ParameterSlab& slab) {
    const Rng rng(6, RngPurpose::kTest);
    for (std::size_t p = 0; p < slab.specs().size(); ++p) {
      const std::string& name = slab.specs()[p].name;
      const auto is = [&name](const std::string& end) {
        return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
      };
      const bool positive = is("gamma") || is("running_var");
      if (!positive && !is("beta") && !is("running_mean") && !is("bias")) continue;
      const Tensor value = slab.value(static_cast<int>(p));
      ++stream_;
      for (std::int64_t i = 0; i < value.elements(); ++i) {
        const double x = rng.Normal(stream_, static_cast<std::uint64_t>(i));
        value.As<float>()[i] = static_cast<float>(positive ? 0.5 + std::abs(x) : 0.5 * x);
      }
    }
  }

  std::uint64_t stream_ = 0;
};

}  // namespace nasengine
