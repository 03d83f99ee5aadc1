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

// panel (rows, Padded(c)) = activation(norm(rows of `in`)), for a product over the columns.
template <class T, class Stored>
HWY_INLINE void NormalisePanel(const T* in, std::int64_t rows, std::int64_t c,
                               const batch_norm::Affine& norm, Stored* panel) {
  WithActivation(norm.activation, [&](auto activation) HWY_ATTR {
    ForRowGroups(rows, c,
                 [&](const auto& lanes, std::int64_t channel, std::int64_t row, auto count)
                     HWY_ATTR {
                       const ChannelAffine affine(lanes, norm, channel);
                       typename std::decay_t<decltype(lanes)>::V values[count];
                       for (int r = 0; r < count; ++r) {
                         hwy::Prefetch(in + (row + r) * c + channel + kAhead);
                         const auto value = affine.Value(lanes.Load(in + (row + r) * c + channel));
                         values[r] = Activate(lanes, value, decltype(activation)::value);
                       }
                       PutForColumns(lanes, values, row, channel, Padded(c), panel);
                     });
  });
  ClearNeighbour(panel, rows, c, Padded(c));
}

// Rows of `in` by put(lanes, values, row, channel), a few at a time.
template <class T, class Put>
HWY_INLINE void CopyPanel(const T* in, std::int64_t rows, std::int64_t c, const Put& put) {
  ForRowGroups(rows, c,
               [&](const auto& lanes, std::int64_t channel, std::int64_t row, auto count) HWY_ATTR {
                 typename std::decay_t<decltype(lanes)>::V values[count];
                 for (int r = 0; r < count; ++r) {
                   values[r] = lanes.Load(in + (row + r) * c + channel);
                 }
                 put(lanes, values, row, channel);
               });
}

// The gradient of a batch norm's input, for a product over its columns and, where weights are to
// get gradients, for one over its rows.
template <class Factor>
struct GradientPanel {
  // `memory` is for kPanelRows rows of c floats.
  GradientPanel(float* memory, std::int64_t c)
      : step(Padded(c)),
        for_columns(reinterpret_cast<StoredFactor<Factor>*>(memory)),
        for_rows(reinterpret_cast<Factor*>(
            kNeighbours<Factor> == 1 ? memory : memory + kPanelRows * step / 2)) {}

  template <class T>
  HWY_INLINE void Fill(const T* g, const T* in, std::int64_t rows, std::int64_t c,
                       const mbconv::NormGradient& norm, bool for_weights) const {
    constexpr bool kTwice = kNeighbours<Factor> != 1;  // else one layout serves both
    ForRowGroups(rows, c,
                 [&](const auto& lanes, std::int64_t channel, std::int64_t row, auto count)
                     HWY_ATTR {
                       const ChannelNormGradient gradient(lanes, norm, channel);
                       typename std::decay_t<decltype(lanes)>::V values[count];
                       for (int r = 0; r < count; ++r) {
                         const std::int64_t at = (row + r) * c + channel;
                         hwy::Prefetch(g + at + kAhead);
                         hwy::Prefetch(in + at + kAhead);
                         values[r] = gradient.Value(lanes.Load(g + at), lanes.Load(in + at));
                       }
                       PutForColumns(lanes, values, row, channel, step, for_columns);
                       if (kTwice && for_weights) {
                         PutForRows(lanes, values, row, channel, step, for_rows);
                       }
                     });
    ClearNeighbour(for_columns, rows, c, step);
  }

  const Factor* columns() const { return reinterpret_cast<const Factor*>(for_columns); }
  std::int64_t columns_step() const { return step / kNeighbours<Factor>; }

  std::int64_t step;
  StoredFactor<Factor>* for_columns;
  Factor* for_rows;
};

void PackTarget(ConstView w, std::int64_t depth, std::int64_t depth_step, std::int64_t columns,
                std::int64_t column_step, float* packed, std::int64_t part, std::int64_t parts) {
  WithFactors(w.dtype, [&]<class T, class Factor>(T, Factor) HWY_ATTR {
    PackPanels(w.As<T>(), depth, depth_step, columns, column_step,
               reinterpret_cast<Factor*>(packed), part, parts);
  });
}

void ProductRowsTarget(const mbconv::ProductJob& job, std::int64_t begin, std::int64_t end,
                       float* scratch, const ChannelSums& sums) {
  const bool stream = Streams(job.out);
  const std::int64_t step = Padded(job.depth);
  WithFactors(job.in.dtype, [&]<class T, class Factor>(T, Factor) HWY_ATTR {
    auto* panel = reinterpret_cast<StoredFactor<Factor>*>(scratch);
    for (std::int64_t row = begin; row < end; row += kPanelRows) {
      const std::int64_t next = std::min(end, row + kPanelRows);
      const std::int64_t rows = next - row;
      const T* in = job.in.As<T>() + row * job.depth;
      if (job.norm != nullptr) {
        NormalisePanel(in, rows, job.depth, *job.norm, panel);
      } else {
        CopyPanel(in, rows, job.depth,
                  [&](const auto& lanes, const auto& values, std::int64_t at, std::int64_t channel)
                      HWY_ATTR { PutForColumns(lanes, values, at, channel, step, panel); });
        ClearNeighbour(panel, rows, job.depth, step);
      }
      ReadAhead ahead;
      ahead.AddRows(job.in, next, std::min(end, next + kPanelRows), job.depth);
      MultiplyRows(reinterpret_cast<const Factor*>(panel), step / kNeighbours<Factor>, rows,
                   Factors<Factor>(job.depth), reinterpret_cast<const Factor*>(job.packed),
                   job.columns,
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
template <class T, class Factor, Activation kActivation>
struct PassThroughActivation {
  const T* e2;
  T* g2;
  Factor* activated;  // null: not wanted
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
    constexpr int kTogether = std::min<int>(kNeighbours<Factor>, kRows);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; r += kTogether) {
      V outputs[kTogether];
#pragma GCC unroll 2
      for (int i = 0; i < kTogether; ++i) {
        const std::int64_t at = first + (r + i) * columns;
        const V distance = hn::Sub(lanes.Load(e2 + at), affine.mean);
        const V value = hn::MulAdd(distance, affine.scale, affine.beta);
        const V g = PassedGradient<kActivation>(lanes, value, values[r + i]);
        outputs[i] = Activate(lanes, value, kActivation);
        stream ? lanes.Stream(g, g2 + at) : lanes.Store(g, g2 + at);
        sum = hn::Add(sum, g);
        projection = hn::MulAdd(g, distance, projection);
      }
      if (activated != nullptr) {
        PutForRows(lanes, outputs, row + r, column, Padded(columns), activated);
      }
    }
    lanes.Store(sum, sums.block + column);
    lanes.Store(projection, sums.block + sums.c + column);
  }
};

template <class T, class Factor, Activation kActivation>
HWY_INLINE void ProjectGradientPanel(const mbconv::ProjectGradientJob& job, std::int64_t row,
                                     std::int64_t rows, bool stream, float* scratch,
                                     const ChannelSums& sums, ReadAhead ahead) {
  const std::int64_t step = Padded(job.expanded);
  const GradientPanel<Factor> d_o(scratch, job.c_out);
  const bool for_weights = job.dw != nullptr;
  auto* activated =
      for_weights ? reinterpret_cast<Factor*>(scratch + kPanelRows * d_o.step) : nullptr;
  d_o.Fill(job.dy.As<T>() + row * job.c_out, job.o.As<T>() + row * job.c_out, rows, job.c_out,
           job.norm, for_weights);
  MultiplyRows(d_o.columns(), d_o.columns_step(), rows, Factors<Factor>(job.c_out),
               reinterpret_cast<const Factor*>(job.packed), job.expanded,
               PassThroughActivation<T, Factor, kActivation>{
                   job.e2.As<T>() + row * job.expanded, job.g2.As<T>() + row * job.expanded,
                   activated, job.expanded, job.e2_norm, sums, stream},
               ahead);
  sums.Flush();
  if (!for_weights) return;
  AddOuterProducts(d_o.for_rows, d_o.step, job.c_out, activated, step, job.expanded,
                   Factors<Factor>(rows), job.dw, step, ahead);
}

void ProjectGradientRowsTarget(const mbconv::ProjectGradientJob& job, std::int64_t begin,
                               std::int64_t end, float* scratch, const ChannelSums& sums) {
  const bool stream = Streams(job.g2);
  WithFactors(job.dy.dtype, [&]<class T, class Factor>(T, Factor) HWY_ATTR {
    WithActivation(job.e2_norm.activation, [&](auto activation) HWY_ATTR {
      for (std::int64_t row = begin; row < end; row += kPanelRows) {
        ReadAhead ahead;
        const std::int64_t next = std::min(end, row + kPanelRows);
        const std::int64_t next_end = std::min(end, next + kPanelRows);
        ahead.AddRows(job.dy, next, next_end, job.c_out);
        ahead.AddRows(job.o, next, next_end, job.c_out);
        ahead.AddRows(job.e2, next, next_end, job.expanded);
        ProjectGradientPanel<T, Factor, decltype(activation)::value>(job, row, next - row, stream,
                                                                     scratch, sums, ahead);
      }
    });
  });
  if (stream) hwy::FlushStream();
}

void ExpandGradientRowsTarget(const mbconv::ExpandGradientJob& job, std::int64_t begin,
                              std::int64_t end, float* scratch) {
  WithFactors(job.g1.dtype, [&]<class T, class Factor>(T, Factor) HWY_ATTR {
    const GradientPanel<Factor> d_e1(scratch, job.expanded);
    auto* x = reinterpret_cast<Factor*>(scratch + kPanelRows * d_e1.step);
    const std::int64_t x_step = Padded(job.c_in);
    for (std::int64_t row = begin; row < end; row += kPanelRows) {
      const std::int64_t next = std::min(end, row + kPanelRows);
      const std::int64_t rows = next - row;
      ReadAhead ahead;
      ahead.AddRows(job.g1, next, std::min(end, next + kPanelRows), job.expanded);
      ahead.AddRows(job.e1, next, std::min(end, next + kPanelRows), job.expanded);
      d_e1.Fill(job.g1.As<T>() + row * job.expanded, job.e1.As<T>() + row * job.expanded, rows,
                job.expanded, job.norm, job.dw != nullptr);
      if (!job.dx.empty()) {
        MultiplyRows(d_e1.columns(), d_e1.columns_step(), rows, Factors<Factor>(job.expanded),
                     reinterpret_cast<const Factor*>(job.packed), job.c_in,
                     StoreTile<T>{job.dx.As<T>() + row * job.c_in, job.c_in}, ahead);
      }
      if (job.dw == nullptr) continue;
      CopyPanel(job.x.As<T>() + row * job.c_in, rows, job.c_in,
                [&](const auto& lanes, const auto& values, std::int64_t at, std::int64_t channel)
                    HWY_ATTR { PutForRows(lanes, values, at, channel, x_step, x); });
      AddOuterProducts(x, x_step, job.c_in, d_e1.for_rows, d_e1.step, job.expanded,
                       Factors<Factor>(rows), job.dw, d_e1.step, ahead);
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
