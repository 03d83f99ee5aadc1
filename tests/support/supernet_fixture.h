// What tests of supernets share: a context over all kernels, seeded batches, and copies of all
// state to compare bit for bit.
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "data/batch.h"
#include "nas/supernet/supernet.h"
#include "tests/support/gradcheck.h"
#include "tests/support/tiny_space.h"

namespace nasengine {

using Floats = std::vector<float>;

inline Floats Copy(const Tensor& tensor) {
  const auto* data = tensor.As<float>();
  return {data, data + tensor.elements()};
}
inline bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}
inline bool SameBits(const std::vector<Floats>& a, const std::vector<Floats>& b) {
  return std::ranges::equal(a, b, [](const Floats& x, const Floats& y) { return SameBits(x, y); });
}

class SupernetFixture : public GradientFixture {
 protected:
  // Images of standard normal pixels and labels that run through the classes.
  Batch RandomBatch(const SearchSpace& space, std::int64_t n, std::uint64_t stream = 1) {
    Batch batch{.images = RandomTensor({n, space.input.h, space.input.w, space.input.c}, stream),
                .labels = context().Empty({n}, DType::kI32, MemoryCategory::kData)};
    for (std::int64_t i = 0; i < n; ++i) {
      batch.labels.As<std::int32_t>()[i] = static_cast<std::int32_t>(i % space.classes);
    }
    return batch;
  }

  // Candidate k of every block, or its last one.
  static Path UniformPath(const Supernet& supernet, int k) {
    std::vector<int> of_gate;
    for (const BinaryGate& gate : supernet.gates()) {
      of_gate.push_back(std::min(k, gate.candidates() - 1));
    }
    return PathOfGates(supernet.space(), of_gate);
  }

  // Weights and running statistics of every candidate and every fixed layer.
  std::vector<Floats> AllState(const Supernet& supernet) {
    int most = 0;
    for (const BinaryGate& gate : supernet.gates()) most = std::max(most, gate.candidates());
    std::vector<Floats> state;
    for (int k = 0; k < most; ++k) {
      const auto network = supernet.Derive(context(), UniformPath(supernet, k));
      const StateDict dict = network->state_dict();
      for (const StateDict::Entry& entry : dict.entries()) state.push_back(Copy(entry.tensor));
    }
    return state;
  }

  static std::vector<Floats> Alphas(const Supernet& supernet) {
    std::vector<Floats> alphas;
    for (const BinaryGate& gate : supernet.gates()) {
      alphas.emplace_back(gate.alpha().begin(), gate.alpha().end());
    }
    return alphas;
  }

  // Logits with the batch's own statistics, which stay unmoved.
  Floats Logits(const Supernet& supernet, std::span<const int> path, const Tensor& images) {
    Tape tape(context(), GradientsOf::kNothing);
    return Copy(supernet.Forward(tape, images, path, {}, {.norm = NormMode::kBatchFrozen}).value());
  }
};

}  // namespace nasengine
