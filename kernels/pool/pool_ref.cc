// Pooling written plainly, f64 inside: the truth that other implementations are held against.
// Backward passes scatter, the other way round from the fast kernels.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/core/bfloat16.h"
#include "kernels/core/float_kernel.h"
#include "kernels/pool/pool.h"
#include "kernels/pool/pool_check.h"

namespace nasengine {
namespace {

// One output element and the inputs that it sees.
struct Window {
  std::int64_t y_index = 0;
  std::vector<std::int64_t> x_indices;  // row by row, inside the image
};

// Calls visit(Window) for every output element.
template <class Visit>
void ForEachWindow(const ConvGeometry& g, const Visit& visit) {
  Window window;
  for (std::int64_t i = 0; i < g.n * g.out_h() * g.out_w() * g.c_out; ++i) {
    const std::int64_t c = i % g.c_out;
    const std::int64_t ow = i / g.c_out % g.out_w();
    const std::int64_t oh = i / g.c_out / g.out_w() % g.out_h();
    const std::int64_t n = i / g.c_out / g.out_w() / g.out_h();
    window.y_index = i;
    window.x_indices.clear();
    for (std::int64_t kh = 0; kh < g.kernel; ++kh) {
      for (std::int64_t kw = 0; kw < g.kernel; ++kw) {
        const std::int64_t h = oh * g.stride - g.pad + kh;
        const std::int64_t w = ow * g.stride - g.pad + kw;
        if (h < 0 || h >= g.h || w < 0 || w >= g.w) continue;
        window.x_indices.push_back(((n * g.h + h) * g.w + w) * g.c_in + c);
      }
    }
    visit(window);
  }
}

template <class T>
std::int64_t FirstLargest(const T* x, const Window& window) {
  return *std::max_element(
      window.x_indices.begin(), window.x_indices.end(),
      [x](std::int64_t a, std::int64_t b) { return ToDouble(x[a]) < ToDouble(x[b]); });
}

template <class T>
void Store(const std::vector<double>& sums, T* dx) {
  std::transform(sums.begin(), sums.end(), dx, Rounded<T>);
}

void AvgForward(Context&, const AvgPoolForward::Args& args) {
  CheckArgs(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    ForEachWindow(args.geometry, [&](const Window& window) {
      double sum = 0;
      for (std::int64_t i : window.x_indices) sum += ToDouble(args.x.As<T>()[i]);
      args.y.As<T>()[window.y_index] =
          Rounded<T>(sum / static_cast<double>(window.x_indices.size()));
    });
  });
}

void AvgBackward(Context&, const AvgPoolBackward::Args& args) {
  CheckArgs(args);
  VisitStorage(args.dy.dtype, [&]<class T>(T) {
    std::vector<double> sums(static_cast<std::size_t>(args.dx.elements()), 0.0);
    ForEachWindow(args.geometry, [&](const Window& window) {
      const double dy = ToDouble(args.dy.As<T>()[window.y_index]);
      for (std::int64_t i : window.x_indices) {
        sums[static_cast<std::size_t>(i)] += dy / static_cast<double>(window.x_indices.size());
      }
    });
    Store(sums, args.dx.As<T>());
  });
}

void MaxForward(Context&, const MaxPoolForward::Args& args) {
  CheckArgs(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    const T* x = args.x.As<T>();
    ForEachWindow(args.geometry, [&](const Window& window) {
      args.y.As<T>()[window.y_index] = x[FirstLargest(x, window)];
    });
  });
}

void MaxBackward(Context&, const MaxPoolBackward::Args& args) {
  CheckArgs(args);
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    std::vector<double> sums(static_cast<std::size_t>(args.dx.elements()), 0.0);
    ForEachWindow(args.geometry, [&](const Window& window) {
      sums[static_cast<std::size_t>(FirstLargest(args.x.As<T>(), window))] +=
          ToDouble(args.dy.As<T>()[window.y_index]);
    });
    Store(sums, args.dx.As<T>());
  });
}

void GlobalForward(Context&, const GlobalAvgPoolForward::Args& args) {
  CheckArgs(args);
  const Shape& x = args.x.shape;
  const std::int64_t pixels = x[1] * x[2];
  VisitStorage(args.x.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.y.elements(); ++i) {
      double sum = 0;
      for (std::int64_t p = 0; p < pixels; ++p) {
        sum += ToDouble(args.x.As<T>()[(i / x[3] * pixels + p) * x[3] + i % x[3]]);
      }
      args.y.As<T>()[i] = Rounded<T>(sum / static_cast<double>(pixels));
    }
  });
}

void GlobalBackward(Context&, const GlobalAvgPoolBackward::Args& args) {
  CheckArgs(args);
  const Shape& dx = args.dx.shape;
  const std::int64_t pixels = dx[1] * dx[2];
  VisitStorage(args.dx.dtype, [&]<class T>(T) {
    for (std::int64_t i = 0; i < args.dx.elements(); ++i) {
      const std::int64_t n = i / dx[3] / pixels;
      const double dy = ToDouble(args.dy.As<T>()[n * dx[3] + i % dx[3]]);
      args.dx.As<T>()[i] = Rounded<T>(dy / static_cast<double>(pixels));
    }
  });
}

}  // namespace

void RegisterPoolReference(KernelRegistry& registry) {
  RegisterReference<AvgPoolForward>(registry, AvgForward);
  RegisterReference<AvgPoolBackward>(registry, AvgBackward);
  RegisterReference<MaxPoolForward>(registry, MaxForward);
  RegisterReference<MaxPoolBackward>(registry, MaxBackward);
  RegisterReference<GlobalAvgPoolForward>(registry, GlobalForward);
  RegisterReference<GlobalAvgPoolBackward>(registry, GlobalBackward);
}

}  // namespace nasengine
