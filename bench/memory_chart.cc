// SPDX-License-Identifier: MIT
#include "bench/memory_chart.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace nasengine {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;
constexpr double kGiB = 1024.0 * kMiB;

std::string LabelOf(const MemoryCase& one) {
  const std::string name = NameOf(one.step);
  switch (one.path) {
    case CasePath::kLargest:
      return name + ", largest path";
    case CasePath::kMean:
      return name + ", mean of drawn paths";
    case CasePath::kAll:
      break;
  }
  return name + ", all paths";
}

// Steps have the colours of their order; the mean is the dashed line beside its largest path.
int ColorOf(const SearchStep& step) {
  const auto* found = std::ranges::find(kSearchSteps, step.planned, &SearchStep::planned);
  return static_cast<int>(std::distance(std::begin(kSearchSteps), found));
}

}  // namespace

ChartPanel MemoryPanel(const SearchSpace& space, std::span<const MemoryPoint> points) {
  std::int64_t most = 0;
  for (const MemoryPoint& point : points) {
    for (const MemoryCase& one : point.cases) most = std::max(most, one.planned.activations);
  }
  const bool large = static_cast<double>(most) >= kGiB;
  ChartPanel panel{
      .title = StrCat(space.name, ", ", ToString(space.input), ", batch ", points.front().batch),
      .y_label = large ? "activations at the peak, GiB" : "activations at the peak, MiB",
      .series = {}};
  for (std::size_t i = 0; i < points.front().cases.size(); ++i) {
    const MemoryCase& first = points.front().cases[i];
    ChartSeries series{.label = LabelOf(first),
                       .color = ColorOf(first.step),
                       .dashed = first.path == CasePath::kMean,
                       .points = {}};
    for (const MemoryPoint& point : points) {
      const auto bytes = static_cast<double>(point.cases[i].planned.activations);
      series.points.push_back(
          {static_cast<double>(point.candidates), bytes / (large ? kGiB : kMiB)});
    }
    panel.series.push_back(std::move(series));
  }
  return panel;
}

LineChart MemoryChart(std::vector<ChartPanel> panels) {
  return {.title = "Memory of one path and of all paths",
          .subtitle =
              "Planned activations of one training step against the length of the candidate "
              "lists, f32",
          .x_label = "candidates of a block",
          .panels = std::move(panels)};
}

}  // namespace nasengine
