// SPDX-License-Identifier: MIT
#include "bench/policy_rows.h"

#include <algorithm>

#include "kernels/core/timer.h"

namespace nasengine {
namespace {

KernelPolicyRow Decide(const MeasuredChoice& one, double usual_noise) {
  KernelPolicyRow row{.op = one.op,
                      .shape = one.shape,
                      .threads = one.threads,
                      .order = {},
                      .noise = std::max(one.noise, usual_noise)};
  auto ms = one.ms;
  std::ranges::sort(ms, {}, [](const auto& each) { return std::pair(each.second, each.first); });
  const auto by_default = std::ranges::min_element(
      ms, {}, [](const auto& each) { return std::ranges::find(kImpls, each.first); });
  if (by_default->second <= ms.front().second * (1 + row.noise)) {
    std::rotate(ms.begin(), by_default, by_default + 1);
  }
  for (const auto& [impl, unused] : ms) row.order.push_back(impl);
  row.gain = ms[1].second / ms[0].second;
  return row;
}

}  // namespace

std::vector<KernelPolicyRow> DecideRows(std::span<const MeasuredChoice> measured) {
  std::vector<double> noises;
  for (const MeasuredChoice& one : measured) noises.push_back(one.noise);
  const double usual_noise = Summarize(noises).median;
  std::vector<KernelPolicyRow> rows;
  for (const MeasuredChoice& one : measured) rows.push_back(Decide(one, usual_noise));
  return rows;
}

}  // namespace nasengine
