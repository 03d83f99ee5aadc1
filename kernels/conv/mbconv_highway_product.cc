// The products of the fused MBConv, compiled for every instruction set: batch norm and activation
// are applied to the rows that a product is about to read, statistics gathered from the tile that
// it has just formed.
// SPDX-License-Identifier: MIT
#include "kernels/conv/mbconv_highway.h"
#include "kernels/core/highway_targets.h"
#include "kernels/core/streaming.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv/mbconv_highway_product.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv/row_product-inl.h"
#include "kernels/norm/affine-inl.h"

HWY_BEFORE_NAMESPACE();
namespace nasengine::HWY_NAMESPACE {
namespace {

using mbconv::ChannelSums;
using mbconv::kPanelRows;
using mbconv::Padded;

// Writes a tile and adds it to the sums.
template <class T>
struct StoreAndSum {
  T* out;  // the panel's first row
  std::int64_t columns;
  ChannelSums sums;
  bool guess_pivot;
  bool stream;

  template <int kRows, int kVectors>
  HWY_INLINE void Prefetch(std::int64_t row, std::int64_t column) const {
    if (!stream) PrefetchTile<kRows, kVectors>(out + row * columns + column, columns);
  }

  template <class L, class V, int kRows>
  HWY_INLINE void operator()(const L& lanes, std::int64_t row, std::int64_t column,
                             const V (&values)[kRows]) const {
    if (guess_pivot && row == 0) {
      V mean = values[0];
      for (int r = 1; r < kRows; ++r) mean = hn::Add(mean, values[r]);
      lanes.Store(hn::Mul(mean, lanes.Set(1.0f / kRows)), sums.pivot + column);
    }
    const V pivot = lanes.Load(sums.pivot + column);
    V sum = lanes.Load(sums.block + column);
    V squares = lanes.Load(sums.block + sums.c + column);
    T* to = out + row * columns + column;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r, to += columns) {
      stream ? lanes.Stream(values[r], to) : lanes.Store(values[r], to);
      const V distance = hn::Sub(lanes.template Stored<T>(values[r]), pivot);
      sum = hn::Add(sum, distance);
      squares = hn::MulAdd(distance, distance, squares);
    }
    lanes.Store(sum, sums.block + column);
    lanes.Store(squares, sums.block + sums.c + column);
  }
};

template <class T>
struct StoreTile {
  T* out;
  std::int64_t columns;

  template <int kRows, int kVectors>
  HWY_INLINE void Prefetch(std::int64_t row, std::int64_t column) const {
    PrefetchTile<kRows, kVectors>(out + row * columns + column, columns);
  }

  template <class L, class V, int kRows>
  HWY_INLINE void operator()(const L& lanes, std::int64_t row, std::int64_t column,
                             const V (&values)[kRows]) const {
    T* to = out + row * columns + column;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r, to += columns) lanes.Store(values[r], to);
  }
};

// panel = activation(norm(rows of `in`)).
template <class T>
HWY_INLINE void NormalisePanel(const T* in, std::int64_t rows, std::int64_t c,
                               const batch_norm::Affine& norm, float* panel) {
  WithActivation(norm.activation, [&](auto activation) HWY_ATTR {
    ForRowGroups(rows, c,
                 [&](const auto& lanes, std::int64_t channel, std::int64_t row, auto count)
                     HWY_ATTR {
                       const ChannelAffine affine(lanes, norm, channel);
                       for (int r = 0; r < count; ++r) {
                         hwy::Prefetch(in + (row + r) * c + channel + kAhead);
                         const auto value = affine.Value(lanes.Load(in + (row + r) * c + channel));
                         lanes.Store(Activate(lanes, value, decltype(activation)::value),
                                     panel + (row + r) * Padded(c) + channel);
                       }
                     });
  });
}

// panel = rows of `in`.
template <class T>
HWY_INLINE void CopyPanel(const T* in, std::int64_t rows, std::int64_t c, float* panel) {
  ForRowGroups(rows, c,
               [&](const auto& lanes, std::int64_t channel, std::int64_t row, auto count) HWY_ATTR {
                 for (int r = 0; r < count; ++r) {
                   lanes.Store(lanes.Load(in + (row + r) * c + channel),
                               panel + (row + r) * Padded(c) + channel);
                 }
               });
}

// panel = the gradient of the batch norm's input.
template <class T>
HWY_INLINE void GradientPanel(const T* g, const T* in, std::int64_t rows, std::int64_t c,
                              const mbconv::NormGradient& norm, float* panel) {
  ForRowGroups(rows, c,
               [&](const auto& lanes, std::int64_t channel, std::int64_t row, auto count) HWY_ATTR {
                 const ChannelNormGradient gradient(lanes, norm, channel);
                 for (int r = 0; r < count; ++r) {
                   const std::int64_t at = (row + r) * c + channel;
                   hwy::Prefetch(g + at + kAhead);
                   hwy::Prefetch(in + at + kAhead);
                   lanes.Store(gradient.Value(lanes.Load(g + at), lanes.Load(in + at)),
                               panel + (row + r) * Padded(c) + channel);
                 }
               });
}

void PackTarget(ConstView w, std::int64_t depth, std::int64_t depth_step, std::int64_t columns,
                std::int64_t column_step, float* packed, std::int64_t part, std::int64_t parts) {
  WithStorage(w.dtype, [&]<class T>(T) HWY_ATTR {
    PackPanels(w.As<T>(), depth, depth_step, columns, column_step, packed, part, parts);
  });
}

void ProductRowsTarget(const mbconv::ProductJob& job, std::int64_t begin, std::int64_t end,
                       float* scratch, const ChannelSums& sums) {
  const bool stream = Streams(job.out);
  WithStorage(job.in.dtype, [&]<class T>(T) HWY_ATTR {
    for (std::int64_t row = begin; row < end; row += kPanelRows) {
      const std::int64_t next = std::min(end, row + kPanelRows);
      const std::int64_t rows = next - row;
      const T* in = job.in.As<T>() + row * job.depth;
      if (job.norm != nullptr) {
        NormalisePanel(in, rows, job.depth, *job.norm, scratch);
      } else {
        CopyPanel(in, rows, job.depth, scratch);
      }
      ReadAhead ahead;
      ahead.AddRows(job.in, next, std::min(end, next + kPanelRows), job.depth);
      MultiplyRows(scratch, Padded(job.depth), rows, job.depth, job.packed, job.columns,
                   StoreAndSum<T>{job.out.As<T>() + row * job.columns, job.columns, sums,
                                  row == begin, stream},
                   ahead);
      sums.Flush();
    }
  });
  if (stream) hwy::FlushStream();
}

// What a tile of the activated depthwise output's gradient becomes, the activated output itself
// going to a panel for the weights' gradient.
template <class T, Activation kActivation>
struct PassThroughActivation {
  const T* e2;
  T* g2;
  float* activated;
  std::int64_t columns;
  const batch_norm::Affine& norm;
  const ChannelSums& sums;
  bool stream;

  template <int kRows, int kVectors>
  HWY_INLINE void Prefetch(std::int64_t row, std::int64_t column) const {
    PrefetchTile<kRows, kVectors>(e2 + row * columns + column, columns);
    if (!stream) PrefetchTile<kRows, kVectors>(g2 + row * columns + column, columns);
  }

  template <class L, class V, int kRows>
  HWY_INLINE void operator()(const L& lanes, std::int64_t row, std::int64_t column,
                             const V (&values)[kRows]) const {
    const ChannelAffine affine(lanes, norm, column);
    V sum = lanes.Load(sums.block + column);
    V projection = lanes.Load(sums.block + sums.c + column);
    const std::int64_t first = row * columns + column;
    float* panel = activated + row * Padded(columns) + column;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r, panel += Padded(columns)) {
      const V distance = hn::Sub(lanes.Load(e2 + first + r * columns), affine.mean);
      const V value = hn::MulAdd(distance, affine.scale, affine.beta);
      const V g = PassedGradient<kActivation>(lanes, value, values[r]);
      lanes.Store(Activate(lanes, value, kActivation), panel);
      T* to = g2 + first + r * columns;
      stream ? lanes.Stream(g, to) : lanes.Store(g, to);
      sum = hn::Add(sum, g);
      projection = hn::MulAdd(g, distance, projection);
    }
    lanes.Store(sum, sums.block + column);
    lanes.Store(projection, sums.block + sums.c + column);
  }
};

template <class T, Activation kActivation>
HWY_INLINE void ProjectGradientPanel(const mbconv::ProjectGradientJob& job, std::int64_t row,
                                     std::int64_t rows, bool stream, float* scratch,
                                     const ChannelSums& sums, ReadAhead ahead) {
  float* d_o = scratch;
  float* activated = scratch + kPanelRows * Padded(job.c_out);
  GradientPanel(job.dy.As<T>() + row * job.c_out, job.o.As<T>() + row * job.c_out, rows, job.c_out,
                job.norm, d_o);
  MultiplyRows(d_o, Padded(job.c_out), rows, job.c_out, job.packed, job.expanded,
               PassThroughActivation<T, kActivation>{job.e2.As<T>() + row * job.expanded,
                                                     job.g2.As<T>() + row * job.expanded, activated,
                                                     job.expanded, job.e2_norm, sums, stream},
               ahead);
  sums.Flush();
  if (job.dw == nullptr) return;
  AddOuterProducts(d_o, Padded(job.c_out), job.c_out, activated, Padded(job.expanded), job.expanded,
                   rows, job.dw, Padded(job.expanded), ahead);
}

void ProjectGradientRowsTarget(const mbconv::ProjectGradientJob& job, std::int64_t begin,
                               std::int64_t end, float* scratch, const ChannelSums& sums) {
  const bool stream = Streams(job.g2);
  WithStorage(job.dy.dtype, [&]<class T>(T) HWY_ATTR {
    WithActivation(job.e2_norm.activation, [&](auto activation) HWY_ATTR {
      for (std::int64_t row = begin; row < end; row += kPanelRows) {
        ReadAhead ahead;
        const std::int64_t next = std::min(end, row + kPanelRows);
        const std::int64_t next_end = std::min(end, next + kPanelRows);
        ahead.AddRows(job.dy, next, next_end, job.c_out);
        ahead.AddRows(job.o, next, next_end, job.c_out);
        ahead.AddRows(job.e2, next, next_end, job.expanded);
        ProjectGradientPanel<T, decltype(activation)::value>(job, row, next - row, stream, scratch,
                                                             sums, ahead);
      }
    });
  });
  if (stream) hwy::FlushStream();
}

void ExpandGradientRowsTarget(const mbconv::ExpandGradientJob& job, std::int64_t begin,
                              std::int64_t end, float* scratch) {
  const std::int64_t step = Padded(job.expanded);
  float* x = scratch + kPanelRows * step;
  WithStorage(job.g1.dtype, [&]<class T>(T) HWY_ATTR {
    for (std::int64_t row = begin; row < end; row += kPanelRows) {
      const std::int64_t next = std::min(end, row + kPanelRows);
      const std::int64_t rows = next - row;
      ReadAhead ahead;
      ahead.AddRows(job.g1, next, std::min(end, next + kPanelRows), job.expanded);
      ahead.AddRows(job.e1, next, std::min(end, next + kPanelRows), job.expanded);
      GradientPanel(job.g1.As<T>() + row * job.expanded, job.e1.As<T>() + row * job.expanded, rows,
                    job.expanded, job.norm, scratch);
      if (!job.dx.empty()) {
        MultiplyRows(scratch, step, rows, job.expanded, job.packed, job.c_in,
                     StoreTile<T>{job.dx.As<T>() + row * job.c_in, job.c_in}, ahead);
      }
      if (job.dw == nullptr) continue;
      CopyPanel(job.x.As<T>() + row * job.c_in, rows, job.c_in, x);
      AddOuterProducts(x, Padded(job.c_in), job.c_in, scratch, step, job.expanded, rows, job.dw,
                       step, ahead);
    }
  });
}

}  // namespace
// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace nasengine::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace nasengine {
HWY_EXPORT(PackTarget);
HWY_EXPORT(ProductRowsTarget);
HWY_EXPORT(ProjectGradientRowsTarget);
HWY_EXPORT(ExpandGradientRowsTarget);

void mbconv::Pack(ConstView w, std::int64_t depth, std::int64_t depth_step, std::int64_t columns,
                  std::int64_t column_step, float* packed, std::int64_t part, std::int64_t parts) {
  HWY_DYNAMIC_DISPATCH(PackTarget)
  (w, depth, depth_step, columns, column_step, packed, part, parts);
}

void mbconv::ProductRows(const ProductJob& job, std::int64_t begin, std::int64_t end,
                         float* scratch, const ChannelSums& sums) {
  HWY_DYNAMIC_DISPATCH(ProductRowsTarget)(job, begin, end, scratch, sums);
}

void mbconv::ProjectGradientRows(const ProjectGradientJob& job, std::int64_t begin,
                                 std::int64_t end, float* scratch, const ChannelSums& sums) {
  HWY_DYNAMIC_DISPATCH(ProjectGradientRowsTarget)(job, begin, end, scratch, sums);
}

void mbconv::ExpandGradientRows(const ExpandGradientJob& job, std::int64_t begin, std::int64_t end,
                                float* scratch) {
  HWY_DYNAMIC_DISPATCH(ExpandGradientRowsTarget)(job, begin, end, scratch);
}

}  // namespace nasengine
#endif
