// One thread of the fused MBConv's team: its part of every phase, its scratch, and what both passes
// do between phases. Included by mbconv_highway*.cc (needs OpenMP).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_scratch.h"
#include "kernels/core/bfloat16.h"
#include "kernels/core/parallel.h"

namespace nasengine::mbconv {

// The passes, as kernels.
void Forward(Context& context, const MbconvForward::Args& args);
std::size_t ForwardWorkspace(Context& context, const MbconvForward::Args& args);
void Backward(Context& context, const MbconvBackward::Args& args);
std::size_t BackwardWorkspace(Context& context, const MbconvBackward::Args& args);

// Multiply-adds of a forward pass.
inline std::int64_t Terms(const MbconvGeometry& g) {
  return g.n * g.h * g.w * g.expanded * (g.c_in + g.kernel * g.kernel + g.c_out);
}

// The team's threads wait for each other.
inline void Meet() {
#pragma omp barrier
}

inline DepthwiseSizes SizesOf(const MbconvGeometry& g) {
  const ConvGeometry conv = g.depthwise();
  return {.h = g.h,
          .w = g.w,
          .out_h = conv.out_h(),
          .out_w = conv.out_w(),
          .c = g.expanded,
          .kernel = g.kernel,
          .stride = g.stride};
}

inline std::int64_t InputRows(const MbconvGeometry& g) { return g.n * g.h * g.w; }
inline std::int64_t OutputRows(const MbconvGeometry& g) {
  const ConvGeometry conv = g.depthwise();
  return g.n * conv.out_h() * conv.out_w();
}

// Sums over `c` channels, begun anew.
inline ChannelSums Started(const ThreadScratch& mine, std::int64_t c) {
  ChannelSums sums = mine.sums;
  sums.c = c;
  sums.Start();
  return sums;
}

// What one thread of one call works with.
struct Team {
  const Scratch& scratch;
  std::int64_t thread;
  std::int64_t threads;

  Range Mine(std::int64_t size) const { return {size, thread, threads}; }
  ThreadScratch mine() const { return scratch.thread(thread); }
};

// The depthwise weights as f32, each thread its part of them.
inline void WidenTaps(const MbconvGeometry& g, const ConstView& w, const Team& team) {
  const Range taps = team.Mine(g.kernel * g.kernel * g.expanded);
  float* to = team.scratch.shared().taps;
  for (std::int64_t i = taps.begin; i < taps.end; ++i) {
    to[i] = w.dtype == DType::kBf16 ? Widen(w.As<BFloat16>()[i]) : w.As<float>()[i];
  }
}

inline Affine AffineOf(const ConstView& mean, const float* scale, const MbconvStage& stage,
                       Activation activation) {
  return {mean.As<float>(), scale, stage.beta.As<float>(), activation};
}

}  // namespace nasengine::mbconv
