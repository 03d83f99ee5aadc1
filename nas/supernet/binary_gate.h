// The gate of one mixed operation: its architecture parameters alpha, the path probabilities, the
// drawn path, and how gate gradients become gradients of alpha.
//
// Host arithmetic only. Alphas are f32, as the kernels that update them; probabilities are f64.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/rng.h"

namespace nasengine {

// softmax(alpha), the largest alpha subtracted first.
std::vector<double> Softmax(std::span<const float> alpha);

// d loss / d alpha_i = sum over j of gate_gradient_j * p_j * (delta_ij - p_i)
//                    = p_i * (gate_gradient_i - sum over j of p_j * gate_gradient_j)
// [ProxylessNAS 2019, equation 4]. The result sums to 0.
std::vector<double> AlphaGradient(std::span<const double> probabilities,
                                  std::span<const double> gate_gradients);

class BinaryGate {
 public:
  explicit BinaryGate(int candidates) : alpha_(static_cast<std::size_t>(candidates), 0.0f) {}

  int candidates() const { return static_cast<int>(alpha_.size()); }
  std::span<float> alpha() { return alpha_; }
  std::span<const float> alpha() const { return alpha_; }

  // Normal(0, standard_deviation), from `rng` at (0, block * 64 + candidate).
  void Initialize(const Rng& rng, int block, double standard_deviation);
  std::vector<double> Probabilities() const { return Softmax(alpha_); }
  // The drawn candidate of block `block` in step `step`.
  int Sample(const Rng& rng, std::uint64_t step, int block) const;
  // The likeliest candidate, the first one of equals.
  int Best() const;
  // -sum of p ln p, in nats.
  double Entropy() const;

 private:
  std::vector<float> alpha_;
};

}  // namespace nasengine
