// SPDX-License-Identifier: MIT
#include "nas/supernet/binary_gate.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Keeps the counters of two gates apart.
constexpr std::uint64_t kCandidateStride = 64;
// Elements of the stream that a gate draws from within a step; the first is also Sample's.
constexpr std::uint64_t kSecondDraw = std::uint64_t{1} << 32;
constexpr std::uint64_t kActiveDraw = std::uint64_t{2} << 32;

constexpr float kNever = -std::numeric_limits<float>::infinity();

// ln(exp(a) + exp(b)) without overflow.
double LogSumExp(double a, double b) {
  return std::max(a, b) + std::log1p(std::exp(-std::abs(a - b)));
}

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

void BinaryGate::Initialize(const Rng& rng, int gate, AlphaInit init, double scale) {
  NAS_CHECK(alpha_.size() <= kCandidateStride, "gate ", gate, ": ", alpha_.size(),
            " candidates, expected at most ", kCandidateStride);
  for (std::size_t k = 0; k < alpha_.size(); ++k) {
    const std::uint64_t element = static_cast<std::uint64_t>(gate) * kCandidateStride + k;
    const double drawn =
        init == AlphaInit::kNormal ? rng.Normal(0, element) : 2.0 * rng.Uniform(0, element) - 1;
    alpha_[k] = static_cast<float>(scale * drawn);
  }
}

int BinaryGate::Sample(const Rng& rng, std::uint64_t step, int gate) const {
  return rng.Categorical(Probabilities(), step, static_cast<std::uint64_t>(gate));
}

GatePair BinaryGate::SamplePair(const Rng& rng, std::uint64_t step, int gate) const {
  NAS_CHECK(candidates() >= 2, "gate ", gate, ": ", candidates(),
            " candidates, expected at least 2 for a pair");
  const auto element = static_cast<std::uint64_t>(gate);
  const int first = Sample(rng, step, gate);
  std::vector<float> others = alpha_;
  others[static_cast<std::size_t>(first)] = kNever;
  const int second = rng.Categorical(Softmax(others), step, element + kSecondDraw);
  const GatePair pair{first, second};
  const int active = rng.Categorical(PairProbabilities(pair), step, element + kActiveDraw);
  return active == first ? pair : GatePair{second, first};
}

std::vector<double> BinaryGate::PairProbabilities(const GatePair& pair) const {
  std::vector<float> alpha(alpha_.size(), kNever);
  for (const int k : {pair.active, pair.inactive}) {
    alpha[static_cast<std::size_t>(k)] = alpha_[static_cast<std::size_t>(k)];
  }
  return Softmax(alpha);
}

void BinaryGate::RescalePair(const GatePair& pair, std::span<const float> before) {
  const auto a = static_cast<std::size_t>(pair.active);
  const auto b = static_cast<std::size_t>(pair.inactive);
  const double offset = LogSumExp(alpha_[a], alpha_[b]) - LogSumExp(before[a], before[b]);
  for (const std::size_t k : {a, b}) alpha_[k] = static_cast<float>(alpha_[k] - offset);
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

double MeanEntropy(std::span<const BinaryGate> gates) {
  double sum = 0;
  for (const BinaryGate& gate : gates) sum += gate.Entropy();
  return gates.empty() ? 0 : sum / static_cast<double>(gates.size());
}

}  // namespace nasengine
