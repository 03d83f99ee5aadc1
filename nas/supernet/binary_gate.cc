// SPDX-License-Identifier: MIT
#include "nas/supernet/binary_gate.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Keeps the counters of two blocks apart.
constexpr std::uint64_t kCandidateStride = 64;

}  // namespace

std::vector<double> Softmax(std::span<const float> alpha) {
  const double largest = *std::ranges::max_element(alpha);
  std::vector<double> probabilities;
  double sum = 0;
  for (float a : alpha) {
    probabilities.push_back(std::exp(a - largest));
    sum += probabilities.back();
  }
  for (double& p : probabilities) p /= sum;
  return probabilities;
}

std::vector<double> AlphaGradient(std::span<const double> probabilities,
                                  std::span<const double> gate_gradients) {
  NAS_CHECK(probabilities.size() == gate_gradients.size(), "alpha gradient: ", probabilities.size(),
            " probabilities, ", gate_gradients.size(), " gate gradients");
  double mean = 0;
  for (std::size_t j = 0; j < probabilities.size(); ++j) {
    mean += probabilities[j] * gate_gradients[j];
  }
  std::vector<double> gradient;
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    gradient.push_back(probabilities[i] * (gate_gradients[i] - mean));
  }
  return gradient;
}

void BinaryGate::Initialize(const Rng& rng, int block, double standard_deviation) {
  NAS_CHECK(alpha_.size() <= kCandidateStride, "gate: block ", block, " has ", alpha_.size(),
            " candidates, expected at most ", kCandidateStride);
  for (std::size_t k = 0; k < alpha_.size(); ++k) {
    const std::uint64_t element = static_cast<std::uint64_t>(block) * kCandidateStride + k;
    alpha_[k] = static_cast<float>(standard_deviation * rng.Normal(0, element));
  }
}

int BinaryGate::Sample(const Rng& rng, std::uint64_t step, int block) const {
  return rng.Categorical(Probabilities(), step, static_cast<std::uint64_t>(block));
}

int BinaryGate::Best() const {
  return static_cast<int>(std::ranges::max_element(alpha_) - alpha_.begin());
}

double BinaryGate::Entropy() const {
  double entropy = 0;
  for (double p : Probabilities()) {
    if (p > 0) entropy -= p * std::log(p);
  }
  return entropy;
}

}  // namespace nasengine
