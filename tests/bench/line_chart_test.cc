// The chart's numbers and words arrive in the picture.
// SPDX-License-Identifier: MIT
#include "bench/line_chart.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nasengine {
namespace {

std::size_t Count(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

LineChart TwoPanels() {
  const ChartSeries rising{.label = "a < b & c", .color = 0, .points = {{2, 0}, {4, 100}}};
  const ChartSeries flat{.label = "flat", .color = 1, .dashed = true, .points = {{2, 50}, {4, 50}}};
  const ChartPanel panel{.title = "panel", .y_label = "y", .series = {rising, flat}};
  return {.title = "chart", .subtitle = "of two", .x_label = "x", .panels = {panel, panel}};
}

TEST(LineChartTest, HasALineASeriesAndOneLegend) {
  const std::string svg = ToSvg(TwoPanels());
  EXPECT_EQ(svg.rfind("<svg xmlns=\"http://www.w3.org/2000/svg\"", 0), 0u);
  EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
  EXPECT_EQ(Count(svg, "<polyline"), 4u);
  EXPECT_EQ(Count(svg, ">flat<"), 1u);
  EXPECT_EQ(Count(svg, ">panel<"), 2u);
  EXPECT_EQ(Count(svg, "stroke-dasharray"), 3u);  // a line a panel, and the legend's
  EXPECT_EQ(Count(svg, ">3<"), 2u);               // the x axis has every whole number
}

TEST(LineChartTest, EscapesWords) {
  const std::string svg = ToSvg(TwoPanels());
  EXPECT_EQ(Count(svg, "a &lt; b &amp; c"), 1u);
  EXPECT_EQ(Count(svg, "a < b"), 0u);
}

TEST(LineChartTest, PutsPointsWhereTheyBelong) {
  const std::string svg = ToSvg(TwoPanels());
  // From the bottom left to the top right of the first plot, and half-way up all along.
  EXPECT_EQ(Count(svg, "points=\"70.0,316.0 320.0,96.0 \""), 1u);
  EXPECT_EQ(Count(svg, "points=\"70.0,206.0 320.0,206.0 \""), 1u);
}

TEST(LineChartTest, ScalesEachPanelOnItsOwn) {
  LineChart chart = TwoPanels();
  chart.panels[1].series[0].points[1].y = 1000;
  const std::string svg = ToSvg(chart);
  EXPECT_EQ(Count(svg, ">100<"), 1u);
  EXPECT_EQ(Count(svg, ">1000<"), 1u);
  EXPECT_EQ(Count(svg, ">20<"), 1u);
  EXPECT_EQ(Count(svg, ">200<"), 1u);
}

TEST(LineChartTest, DrawsASinglePointAndZeros) {
  LineChart chart = TwoPanels();
  chart.panels = {{.title = "one", .y_label = "y", .series = {{.label = "a", .points = {{3, 0}}}}}};
  const std::string svg = ToSvg(chart);
  EXPECT_EQ(Count(svg, "nan"), 0u);
  EXPECT_EQ(Count(svg, "inf"), 0u);
}

}  // namespace
}  // namespace nasengine
