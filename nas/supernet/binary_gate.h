// The gate of a mixed operation, or of several that are tied: its architecture parameters alpha,
// the path probabilities, the drawn path or pair of paths, and how gate gradients become gradients
// of alpha.
//
// Host arithmetic only. Alphas are f32, as the kernels that update them; probabilities are f64.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/rng.h"
#include "nas/space/recipe.h"

namespace nasengine {

// softmax(alpha), the largest alpha subtracted first.
std::vector<double> Softmax(std::span<const float> alpha);

// d loss / d alpha_i = sum over j of gate_gradient_j * p_j * (delta_ij - p_i)
//                    = p_i * (gate_gradient_i - sum over j of p_j * gate_gradient_j)
// [ProxylessNAS 2019, equation 4]. The result sums to 0.
std::vector<double> AlphaGradient(std::span<const double> probabilities,
                                  std::span<const double> gate_gradients);

// Two candidates of a gate, of which one is active.
struct GatePair {
  int active = 0;
  int inactive = 0;
};

class BinaryGate {
 public:
  explicit BinaryGate(int candidates) : alpha_(static_cast<std::size_t>(candidates), 0.0f) {}

  int candidates() const { return static_cast<int>(alpha_.size()); }
  std::span<float> alpha() { return alpha_; }
  std::span<const float> alpha() const { return alpha_; }

  // Normal(0, scale), or even in +-scale, from `rng` at (0, gate * 64 + candidate), this being gate
  // `gate`.
  void Initialize(const Rng& rng, int gate, AlphaInit init, double scale);
  std::vector<double> Probabilities() const { return Softmax(alpha_); }
  // The drawn candidate of gate `gate` in step `step`.
  int Sample(const Rng& rng, std::uint64_t step, int gate) const;
  // Two distinct candidates, drawn by the path probabilities without replacement; which of them is
  // active is drawn by PairProbabilities. At least two candidates [ProxylessNAS 2019, section
  // 3.2].
  GatePair SamplePair(const Rng& rng, std::uint64_t step, int gate) const;
  // The softmax of the pair's two alphas in their places, 0 for every other candidate.
  std::vector<double> PairProbabilities(const GatePair& pair) const;
  // Shifts the pair's alphas together so that the sum of their exponentials is again what it was in
  // `before`, all alphas before they moved: the probabilities of the others stay.
  void RescalePair(const GatePair& pair, std::span<const float> before);
  // The likeliest candidate, the first one of equals.
  int Best() const;
  // -sum of p ln p, in nats.
  double Entropy() const;

 private:
  std::vector<float> alpha_;
};

// Mean of the gates' entropies, in nats; 0 where there are none.
double MeanEntropy(std::span<const BinaryGate> gates);

}  // namespace nasengine
