// A line chart as SVG text: panels side by side over one legend, and nothing that a browser or a
// paper needs beside the file.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>
#include <vector>

namespace nasengine {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

// A line of its own colour; lines of the same colour are told apart by dashes.
struct ChartSeries {
  std::string label;
  int color = 0;  // index into a palette that colour-blind readers can tell apart; of 6
  bool dashed = false;
  std::vector<ChartPoint> points;
};

struct ChartPanel {
  std::string title;
  std::string y_label;
  std::vector<ChartSeries> series;  // at least one, with a point
};

struct LineChart {
  std::string title;
  std::string subtitle;
  std::string
      x_label;  // of every panel; x takes the whole numbers from its smallest to its largest
  std::vector<ChartPanel> panels;  // at least one; the legend is the first one's
};

// Every panel's y axis starts at 0 and has a scale of its own.
std::string ToSvg(const LineChart& chart);

}  // namespace nasengine
