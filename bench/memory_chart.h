// The memory argument as a picture: activations against the number of candidates, a panel a space.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "bench/line_chart.h"
#include "bench/memory_cases.h"

namespace nasengine {

// The points of one space and batch, by rising number of candidates; at least one.
ChartPanel MemoryPanel(const SearchSpace& space, std::span<const MemoryPoint> points);
LineChart MemoryChart(std::vector<ChartPanel> panels);

}  // namespace nasengine
