// SPDX-License-Identifier: MIT
#include "bench/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace nasengine {
namespace {

// Of Okabe and Ito, for readers who see colours differently.
constexpr std::array<const char*, 6> kPalette = {"#d55e00", "#0072b2", "#009e73",
                                                 "#cc79a7", "#e69f00", "#56b4e9"};
constexpr double kPanelWidth = 340;
constexpr double kPlotWidth = 250;
constexpr double kPlotHeight = 220;
constexpr double kPlotLeft = 70;  // within its panel
constexpr double kPlotTop = 96;
constexpr double kLegendTop = kPlotTop + kPlotHeight + 68;
constexpr double kLegendLine = 20;
constexpr double kMargin = 16;
constexpr double kLeastWidth = 620;  // title and legend need it
constexpr int kTicks = 5;

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string Text(double x, double y, const std::string& text, const std::string& attributes = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y, attributes,
                     Escaped(text));
}

std::string Line(double x1, double y1, double x2, double y2, const std::string& attributes) {
  return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x1, y1,
                     x2, y2, attributes);
}

// 1, 2 or 5 times a power of ten, so that about kTicks of them reach `largest`.
double TickStep(double largest) {
  const double rough = std::max(largest, 1e-9) / kTicks;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double step : {1.0, 2.0, 5.0}) {
    if (rough <= step * power) return step * power;
  }
  return 10 * power;
}

std::string Stroke(const ChartSeries& series) {
  const char* color = kPalette[static_cast<std::size_t>(series.color) % kPalette.size()];
  return fmt::format("stroke=\"{}\" stroke-width=\"2\" fill=\"none\"{}", color,
                     series.dashed ? " stroke-dasharray=\"5 4\"" : "");
}

// The plot of one panel: where its numbers lie in the picture.
class Plot {
 public:
  Plot(const ChartPanel& panel, double left) : panel_(panel), left_(left) {
    x_low_ = x_high_ = panel.series.front().points.front().x;
    double largest = 0;
    for (const ChartSeries& series : panel.series) {
      for (const ChartPoint& point : series.points) {
        x_low_ = std::min(x_low_, point.x);
        x_high_ = std::max(x_high_, point.x);
        largest = std::max(largest, point.y);
      }
    }
    y_step_ = TickStep(largest);
    y_high_ = y_step_ * std::max(1.0, std::ceil(largest / y_step_));
  }

  std::string Svg(const std::string& x_label) const {
    std::string svg = Text(left_ + kPlotWidth / 2, kPlotTop - 16, panel_.title,
                           "text-anchor=\"middle\" font-weight=\"bold\"");
    svg += Axes(x_label);
    for (const ChartSeries& series : panel_.series) svg += Curve(series);
    return svg;
  }

 private:
  double X(double x) const {
    return left_ + kPlotWidth * (x_high_ > x_low_ ? (x - x_low_) / (x_high_ - x_low_) : 0.5);
  }
  double Y(double y) const { return kPlotTop + kPlotHeight * (1 - y / y_high_); }

  std::string Axes(const std::string& x_label) const {
    const double bottom = kPlotTop + kPlotHeight;
    std::string svg;
    for (int tick = 0; tick * y_step_ <= y_high_ * (1 + 1e-9); ++tick) {
      const double y = Y(tick * y_step_);
      svg +=
          Line(left_, y, left_ + kPlotWidth, y, tick == 0 ? "stroke=\"#333\"" : "stroke=\"#ddd\"");
      svg += Text(left_ - 8, y + 4, fmt::format("{:g}", tick * y_step_), "text-anchor=\"end\"");
    }
    for (double x = x_low_; x <= x_high_; ++x) {
      svg += Line(X(x), bottom, X(x), bottom + 5, "stroke=\"#333\"");
      svg += Text(X(x), bottom + 20, fmt::format("{:g}", x), "text-anchor=\"middle\"");
    }
    svg += Text(left_ + kPlotWidth / 2, bottom + 40, x_label, "text-anchor=\"middle\"");
    const double middle = kPlotTop + kPlotHeight / 2;
    svg += Text(left_ - 46, middle, panel_.y_label,
                fmt::format("text-anchor=\"middle\" transform=\"rotate(-90 {:.1f} {:.1f})\"",
                            left_ - 46, middle));
    return svg;
  }

  std::string Curve(const ChartSeries& series) const {
    std::string points;
    std::string dots;
    for (const ChartPoint& point : series.points) {
      points += fmt::format("{:.1f},{:.1f} ", X(point.x), Y(point.y));
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\" fill=\"{}\"/>\n",
                          X(point.x), Y(point.y),
                          kPalette[static_cast<std::size_t>(series.color) % kPalette.size()]);
    }
    return fmt::format("<polyline points=\"{}\" {}/>\n", points, Stroke(series)) + dots;
  }

  const ChartPanel& panel_;
  double left_;
  double x_low_ = 0;
  double x_high_ = 0;
  double y_step_ = 0;
  double y_high_ = 0;
};

std::string Legend(const std::vector<ChartSeries>& series) {
  std::string svg;
  double y = kLegendTop;
  for (const ChartSeries& one : series) {
    svg += Line(kPlotLeft, y - 4, kPlotLeft + 32, y - 4, Stroke(one));
    svg += Text(kPlotLeft + 42, y, one.label);
    y += kLegendLine;
  }
  return svg;
}

}  // namespace

std::string ToSvg(const LineChart& chart) {
  const auto panels = static_cast<double>(chart.panels.size());
  const auto lines = static_cast<double>(chart.panels.front().series.size());
  const double width = std::max(panels * kPanelWidth + kMargin, kLeastWidth);
  const double height = kLegendTop + lines * kLegendLine + kMargin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"13\" "
      "fill=\"#333\">\n<title>{2}</title>\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"#fff\"/>\n",
      width, height, Escaped(chart.title));
  svg += Text(kMargin, 28, chart.title, "font-size=\"17\" font-weight=\"bold\"");
  svg += Text(kMargin, 50, chart.subtitle);
  for (std::size_t i = 0; i < chart.panels.size(); ++i) {
    const double left = static_cast<double>(i) * kPanelWidth + kPlotLeft;
    svg += Plot(chart.panels[i], left).Svg(chart.x_label);
  }
  return svg + Legend(chart.panels.front().series) + "</svg>\n";
}

}  // namespace nasengine
