// SPDX-License-Identifier: MIT
#include "nas/search/path_sampler.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Probabilities proportional to exp(-beta * cost).
std::vector<double> Tilted(const std::vector<double>& costs, double beta) {
  const auto [least, most] = std::ranges::minmax(costs);
  const double likeliest = beta >= 0 ? least : most;
  std::vector<double> probabilities;
  double sum = 0;
  for (const double cost : costs) {
    probabilities.push_back(std::exp(-beta * (cost - likeliest)));
    sum += probabilities.back();
  }
  for (double& probability : probabilities) probability /= sum;
  return probabilities;
}

double MeanMs(const std::vector<std::vector<double>>& rows, double beta) {
  double mean = 0;
  for (const std::vector<double>& row : rows) {
    const std::vector<double> probabilities = Tilted(row, beta);
    for (std::size_t k = 0; k < row.size(); ++k) mean += probabilities[k] * row[k];
  }
  return mean;
}

// The beta at which the mean is `mean`, or an extreme one where none is; the mean falls with beta.
double BetaFor(const std::vector<std::vector<double>>& rows, double mean) {
  // So far that only the extreme path is left, and not so far that the last bit of a sum counts.
  constexpr int kDoublings = 30;
  constexpr int kHalvings = 60;
  double spread = 0;
  for (const std::vector<double>& row : rows) {
    const auto [least, most] = std::ranges::minmax(row);
    spread += most - least;
  }
  if (spread <= 0) return 0;
  double near = 0;
  double far = (MeanMs(rows, 0) > mean ? 1 : -1) / spread;
  const auto reaches = [&](double beta) {
    return beta > 0 ? MeanMs(rows, beta) <= mean : MeanMs(rows, beta) >= mean;
  };
  for (int i = 0; i < kDoublings && !reaches(far); ++i) far *= 2;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (near + far) / 2;
    (reaches(middle) ? far : near) = middle;
  }
  return far;
}

}  // namespace

PathSampler::PathSampler(const SearchSpace& space, const LatencyModel& latency, double low_ms,
                         double high_ms)
    : space_(space), latency_(latency), low_ms_(low_ms), high_ms_(high_ms) {
  NAS_CHECK(low_ms <= high_ms, "path sampler: found the limits ", low_ms, " and ", high_ms,
            ", expected the smaller first");
  std::vector<std::vector<double>> rows;
  for (int gate = 0; gate < latency.gates(); ++gate) rows.push_back(latency.GateRow(gate));
  const double even_ms = latency.UniformExpectedMs();
  if (even_ms > high_ms) beta_ = BetaFor(rows, high_ms - latency.fixed_ms());
  if (even_ms < low_ms) beta_ = BetaFor(rows, low_ms - latency.fixed_ms());
  for (const std::vector<double>& row : rows) of_gate_.push_back(Tilted(row, beta_));
}

std::optional<Path> PathSampler::Draw(const Rng& rng, std::uint64_t step) const {
  std::vector<int> choices;
  for (std::size_t gate = 0; gate < of_gate_.size(); ++gate) {
    choices.push_back(rng.Categorical(of_gate_[gate], step, gate));
  }
  Path path = PathOfGates(space_, choices);
  const double ms = latency_.PathMs(path);
  if (ms < low_ms_ || ms > high_ms_) return std::nullopt;
  if (beta_ == 0) return path;
  const double kept = std::exp(beta_ > 0 ? beta_ * (ms - high_ms_) : beta_ * (ms - low_ms_));
  if (rng.Uniform(step, of_gate_.size()) >= kept) return std::nullopt;
  return path;
}

std::optional<Path> PathSampler::FirstOf(const Rng& rng, std::uint64_t step,
                                         std::uint64_t draws) const {
  std::optional<Path> path;
  for (std::uint64_t draw = 0; draw < draws && !path; ++draw) path = Draw(rng, step + draw);
  return path;
}

}  // namespace nasengine
