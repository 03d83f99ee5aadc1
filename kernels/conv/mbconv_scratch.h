// How the fused MBConv lays out its scratch.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_highway.h"

namespace nasengine::mbconv {

// Hands out cache-line aligned pieces of a block, or only measures them when the block is null.
class Carver {
 public:
  explicit Carver(void* block) : block_(static_cast<std::byte*>(block)) {}
  template <class T>
  T* Take(std::int64_t count) {
    T* piece = block_ == nullptr ? nullptr : reinterpret_cast<T*>(block_ + used_);
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
  std::size_t used() const { return used_; }
  void* rest() const { return block_ == nullptr ? nullptr : block_ + used_; }

 private:
  std::byte* block_;
  std::size_t used_ = 0;
};

// Scratch of one thread: rows on their way, the sums of one batch norm, a share of one weight
// gradient, each used by one phase after the other.
struct ThreadScratch {
  ThreadScratch(Carver& carver, std::int64_t panel_floats, std::int64_t c, std::int64_t dw_floats)
      : panel(carver.Take<float>(panel_floats)),
        sums{.c = c,
             .pivot = carver.Take<float>(c),
             .block = carver.Take<float>(2 * c),
             .totals = carver.Take<double>(2 * c)},
        dw(carver.Take<float>(dw_floats)) {}

  float* panel;
  ChannelSums sums;
  float* dw;
};

// What the channels of one batch norm are multiplied with, computed between two phases.
struct ChannelFactors {
  ChannelFactors(Carver& carver, std::int64_t c)
      : scale(carver.Take<float>(c)), slope(carver.Take<float>(c)), offset(carver.Take<float>(c)) {}
  float* scale;
  float* slope;
  float* offset;
};

// What all threads of a call read and write between phases.
struct SharedScratch {
  SharedScratch(Carver& carver, const MbconvGeometry& g)
      : expand_weights(carver.Take<float>(
            std::max(PackedSize(g.c_in, g.expanded), PackedSize(g.expanded, g.c_in)))),
        project_weights(carver.Take<float>(
            std::max(PackedSize(g.expanded, g.c_out), PackedSize(g.c_out, g.expanded)))),
        taps(carver.Take<float>(Padded(g.kernel * g.kernel * g.expanded))),
        expand(carver, g.expanded),
        depthwise(carver, g.expanded),
        project(carver, g.c_out) {}

  float* expand_weights;  // packed
  float* project_weights;
  float* taps;
  ChannelFactors expand;
  ChannelFactors depthwise;
  ChannelFactors project;
};

// Everything that one call needs. With a null block only bytes() may be used.
class Scratch {
 public:
  // `panel_floats` and `dw_floats` for each of `threads`.
  Scratch(void* block, const MbconvGeometry& g, std::int64_t threads, std::int64_t panel_floats,
          std::int64_t dw_floats)
      : carver_(block),
        shared_(carver_, g),
        threads_(threads),
        panel_floats_(panel_floats),
        channels_(std::max(g.expanded, g.c_out)),
        dw_floats_(dw_floats),
        thread_bytes_(ThreadBytes()) {}

  std::size_t bytes() const {
    return carver_.used() + static_cast<std::size_t>(threads_) * thread_bytes_;
  }
  const SharedScratch& shared() const { return shared_; }
  ThreadScratch thread(std::int64_t index) const {
    Carver carver(static_cast<std::byte*>(carver_.rest()) +
                  static_cast<std::size_t>(index) * thread_bytes_);
    return {carver, panel_floats_, channels_, dw_floats_};
  }

 private:
  std::size_t ThreadBytes() const {
    Carver measure(nullptr);
    const ThreadScratch scratch(measure, panel_floats_, channels_, dw_floats_);
    return measure.used();
  }

  Carver carver_;
  SharedScratch shared_;
  std::int64_t threads_;
  std::int64_t panel_floats_;
  std::int64_t channels_;
  std::int64_t dw_floats_;
  std::size_t thread_bytes_;
};

}  // namespace nasengine::mbconv
