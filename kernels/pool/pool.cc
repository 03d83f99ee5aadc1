// SPDX-License-Identifier: MIT
#include "kernels/pool/pool.h"

#include "kernels/core/error_scale.h"
#include "kernels/core/float_kernel.h"
#include "kernels/pool/pool_check.h"

namespace nasengine {
namespace {

Shape InputShape(const ConvGeometry& g) { return {g.n, g.h, g.w, g.c_in}; }
Shape OutputShape(const ConvGeometry& g) { return {g.n, g.out_h(), g.out_w(), g.c_out}; }

void CheckGeometry(const char* op, const ConvGeometry& g) {
  NAS_CHECK(g.c_in == g.c_out, op, ": ", g.c_in, " channels in, ", g.c_out, " out");
  NAS_CHECK(g.kernel >= 1 && g.stride >= 1, op, ": kernel ", g.kernel, " and stride ", g.stride,
            ", expected 1 or more");
  NAS_CHECK(g.pad >= 0 && g.pad < g.kernel, op, ": padding ", g.pad, " with kernel ", g.kernel,
            ", expected 0 or more and less than the kernel");
  NAS_CHECK(g.h + 2 * g.pad >= g.kernel && g.w + 2 * g.pad >= g.kernel, op, ": kernel ", g.kernel,
            " does not fit into ", g.h, "x", g.w, " with padding ", g.pad);
  NAS_CHECK(g.h >= 1 && g.w >= 1, op, ": image of ", g.h, "x", g.w);
}

// Calls visit(window, count) for the windows that hold input (h, w): its row-major position in the
// output image and how many inputs it sees.
template <class Visit>
void ForEachWindowOver(const ConvGeometry& g, std::int64_t h, std::int64_t w, const Visit& visit) {
  const Span rows = OutputsOver(g, h, g.out_h());
  const Span columns = OutputsOver(g, w, g.out_w());
  for (std::int64_t oh = rows.begin; oh < rows.end; ++oh) {
    for (std::int64_t ow = columns.begin; ow < columns.end; ++ow) {
      visit(oh * g.out_w() + ow, WindowOf(g, oh, g.h).size() * WindowOf(g, ow, g.w).size());
    }
  }
}

// The scale of a backward pass: an input's gradient sums dy / divisor(count) over its windows.
template <class Divisor>
double BackwardScale(const ConvGeometry& g, ConstView dy, const Divisor& divisor) {
  TermScale scale;
  const std::int64_t image = g.out_h() * g.out_w() * g.c_out;
  for (std::int64_t i = 0; i < g.n * g.h * g.w; ++i) {
    const std::int64_t dy_image = i / (g.h * g.w) * image;
    for (std::int64_t c = 0; c < g.c_out; ++c) {
      ForEachWindowOver(g, i / g.w % g.h, i % g.w, [&](std::int64_t window, std::int64_t count) {
        scale.Add(ValueAt(dy, dy_image + window * g.c_out + c) / divisor(count));
      });
      scale.EndElement();
    }
  }
  return scale.value();
}

}  // namespace

void CheckArgs(const AvgPoolForward::Args& args) {
  CheckGeometry(AvgPoolForward::kName, args.geometry);
  CheckStorage(AvgPoolForward::kName, "x", args.x);
  CheckView(AvgPoolForward::kName, "x", args.x, InputShape(args.geometry), args.x.dtype);
  CheckView(AvgPoolForward::kName, "y", args.y, OutputShape(args.geometry), args.x.dtype);
}

void CheckArgs(const AvgPoolBackward::Args& args) {
  CheckGeometry(AvgPoolBackward::kName, args.geometry);
  CheckStorage(AvgPoolBackward::kName, "dy", args.dy);
  CheckView(AvgPoolBackward::kName, "dy", args.dy, OutputShape(args.geometry), args.dy.dtype);
  CheckView(AvgPoolBackward::kName, "dx", args.dx, InputShape(args.geometry), args.dy.dtype);
}

void CheckArgs(const MaxPoolForward::Args& args) {
  CheckGeometry(MaxPoolForward::kName, args.geometry);
  CheckStorage(MaxPoolForward::kName, "x", args.x);
  CheckView(MaxPoolForward::kName, "x", args.x, InputShape(args.geometry), args.x.dtype);
  CheckView(MaxPoolForward::kName, "y", args.y, OutputShape(args.geometry), args.x.dtype);
}

void CheckArgs(const MaxPoolBackward::Args& args) {
  CheckGeometry(MaxPoolBackward::kName, args.geometry);
  CheckStorage(MaxPoolBackward::kName, "x", args.x);
  CheckView(MaxPoolBackward::kName, "x", args.x, InputShape(args.geometry), args.x.dtype);
  CheckView(MaxPoolBackward::kName, "dy", args.dy, OutputShape(args.geometry), args.x.dtype);
  CheckView(MaxPoolBackward::kName, "dx", args.dx, InputShape(args.geometry), args.x.dtype);
}

void CheckArgs(const GlobalAvgPoolForward::Args& args) {
  constexpr const char* kOp = GlobalAvgPoolForward::kName;
  const Shape& x = args.x.shape;
  CheckStorage(kOp, "x", args.x);
  NAS_CHECK(x.rank() == 4 && x[1] >= 1 && x[2] >= 1, kOp, ": x is ", ToString(x),
            ", expected (n, h, w, c) with h and w 1 or more");
  CheckView(kOp, "y", args.y, {x[0], x[3]}, args.x.dtype);
}

void CheckArgs(const GlobalAvgPoolBackward::Args& args) {
  constexpr const char* kOp = GlobalAvgPoolBackward::kName;
  const Shape& dx = args.dx.shape;
  CheckStorage(kOp, "dx", args.dx);
  NAS_CHECK(dx.rank() == 4 && dx[1] >= 1 && dx[2] >= 1, kOp, ": dx is ", ToString(dx),
            ", expected (n, h, w, c) with h and w 1 or more");
  CheckView(kOp, "dy", args.dy, {dx[0], dx[3]}, args.dx.dtype);
}

std::vector<View*> AvgPoolForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> AvgPoolBackward::Outputs(Args& args) { return {&args.dx}; }
std::vector<View*> MaxPoolForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> MaxPoolBackward::Outputs(Args& args) { return {&args.dx}; }
std::vector<View*> GlobalAvgPoolForward::Outputs(Args& args) { return {&args.y}; }
std::vector<View*> GlobalAvgPoolBackward::Outputs(Args& args) { return {&args.dx}; }

double AvgPoolForward::ErrorScale(const Args& args, int) {
  const ConvGeometry& g = args.geometry;
  TermScale scale;
  for (std::int64_t i = 0; i < args.y.elements(); ++i) {
    const std::int64_t pixel = i / g.c_in;
    const std::int64_t n = pixel / (g.out_h() * g.out_w());
    const Span rows = WindowOf(g, pixel / g.out_w() % g.out_h(), g.h);
    const Span columns = WindowOf(g, pixel % g.out_w(), g.w);
    const auto count = static_cast<double>(rows.size() * columns.size());
    for (std::int64_t h = rows.begin; h < rows.end; ++h) {
      for (std::int64_t w = columns.begin; w < columns.end; ++w) {
        scale.Add(ValueAt(args.x, ((n * g.h + h) * g.w + w) * g.c_in + i % g.c_in) / count);
      }
    }
    scale.EndElement();
  }
  return scale.value();
}

double AvgPoolBackward::ErrorScale(const Args& args, int) {
  return BackwardScale(args.geometry, args.dy,
                       [](std::int64_t count) { return static_cast<double>(count); });
}

// The largest element is copied, not computed.
double MaxPoolForward::ErrorScale(const Args&, int) { return 0; }

// As if every window's gradient came to each of its elements: at least what does.
double MaxPoolBackward::ErrorScale(const Args& args, int) {
  return BackwardScale(args.geometry, args.dy, [](std::int64_t) { return 1.0; });
}

double GlobalAvgPoolForward::ErrorScale(const Args& args, int) {
  const Shape& x = args.x.shape;
  const std::int64_t pixels = x[1] * x[2];
  TermScale scale;
  for (std::int64_t i = 0; i < args.y.elements(); ++i) {
    const std::int64_t first = i / x[3] * pixels * x[3] + i % x[3];
    for (std::int64_t p = 0; p < pixels; ++p) {
      scale.Add(ValueAt(args.x, first + p * x[3]) / static_cast<double>(pixels));
    }
    scale.EndElement();
  }
  return scale.value();
}

double GlobalAvgPoolBackward::ErrorScale(const Args& args, int) {
  const auto pixels = static_cast<double>(args.dx.shape[1] * args.dx.shape[2]);
  TermScale scale;
  for (std::int64_t i = 0; i < args.dy.elements(); ++i) {
    scale.Element({ValueAt(args.dy, i) / pixels});
  }
  return scale.value();
}

}  // namespace nasengine
