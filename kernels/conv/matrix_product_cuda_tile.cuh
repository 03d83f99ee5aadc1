// How tiles of the operands of a matrix product come from global to shared memory, and where in
// shared memory their elements lie.
//
// Of an operand, a line is a row of A or a column of B, and depth is what the product sums over. A
// tile is kLines lines of 64 bytes of depth, whichever of the two lies side by side in memory; it
// moves in chunks of 16 bytes. Four neighbouring lines, a quad, are what a thread takes at once.
// SPDX-License-Identifier: MIT
#pragma once

#include "kernels/conv/input_transform_cuda.cuh"
#include "kernels/conv/matrix_product_cuda_plan.h"

namespace nasengine::cuda {

// What lies side by side in memory: depths of a line, or lines of a depth.
enum class DepthOrder { kInner, kOuter };

// How elements of an operand can be read, the widest first: by chunks, by words of 4 bytes, or one
// by one.
enum class Access { kWide, kWords, kSingly };

template <class T, int kLines, DepthOrder kOrder>
struct TileLayout {
  static constexpr int kChunk = 16 / static_cast<int>(sizeof(T));
  static constexpr int kDepth = 64 / static_cast<int>(sizeof(T));
  // Every eight depths begin 32 bytes further, so that the four lanes that read the same lines of
  // depths 0, 8, 16 and 24 find them in different banks.
  static constexpr int kSkew = 32 / static_cast<int>(sizeof(T));
  static constexpr int kElements = kLines * kDepth + (kOrder == DepthOrder::kOuter ? 3 * kSkew : 0);

  // kInner. Line 4 * quad + i of a piece lies in slot 8 * i + quad: lanes that read line i of
  // neighbouring quads read neighbouring slots, and two slots fill all banks. The exclusive or
  // keeps lanes apart that read one chunk of eight slots.
  static __device__ __forceinline__ int InSlot(int slot, int chunk) {
    return slot * kDepth + (chunk ^ (slot >> 1 & 3)) * kChunk;
  }
  static __device__ __forceinline__ int LineOfSlot(int slot) {
    return slot / kPiece * kPiece + slot % 8 * 4 + slot / 8 % 4;
  }
  // kOuter.
  static __device__ __forceinline__ int AtDepth(int depth, int line) {
    return depth * kLines + depth / 8 * kSkew + line;
  }
};

// An operand. Channels of its transform (input_transform_cuda.cuh) are what lies side by side:
// depths (kInner) or lines (kOuter).
template <class T, DepthOrder kOrder_, class Transform_ = Unchanged<T>>
struct ProductOperand {
  using Element = T;
  using Transform = Transform_;
  static constexpr DepthOrder kOrder = kOrder_;
  static constexpr bool kChanges = Transform::kTables > 0;

  const T* data;
  std::int64_t pitch;  // elements from a line (kInner) or depth (kOuter) to the next
  Access access;       // of `second` too
  Transform transform;

  __device__ __forceinline__ const T* input(int i) const {
    if constexpr (Transform::kInputs == 2) {
      if (i == 1) return transform.second;
    }
    return data;
  }
};

// The part of an operand that a block multiplies.
struct TileRange {
  std::int64_t line;   // the first
  std::int64_t depth;  // the first
  int lines;           // may be more than the tile has
  int depths;
};

// table (kTables, count) <- the numbers of `channels` channels from `first` on, zeros beyond.
template <class Transform>
__device__ __forceinline__ void FillTable(const Transform& transform, std::int64_t first,
                                          int channels, int count, float* table) {
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kProductThreads) {
    float numbers[Transform::kTables] = {};
    if (i < channels) transform.Fill(first + i, numbers);
#pragma unroll
    for (int which = 0; which < Transform::kTables; ++which) {
      table[which * count + i] = numbers[which];
    }
  }
}

// The table of an operand. A range with inner depth begins at 0.
template <class Operand>
__device__ __forceinline__ void FillTableOf(const Operand& operand, const TileRange& range,
                                            int count, float* table) {
  if constexpr (Operand::kChanges) {
    if constexpr (Operand::kOrder == DepthOrder::kInner) {
      FillTable(operand.transform, 0, range.depths, count, table);
    } else {
      FillTable(operand.transform, range.line, range.lines, count, table);
    }
  }
}

// A thread's share of the tiles of one operand: kChunks chunks of each. Elements outside of the
// matrix arrive as zeros, those beside an inner depth excepted whose line nobody looks at.
template <class Operand, int kLines>
class TileLoader {
  using T = typename Operand::Element;
  using Transform = typename Operand::Transform;
  using Layout = TileLayout<T, kLines, Operand::kOrder>;
  static constexpr bool kInner = Operand::kOrder == DepthOrder::kInner;
  static constexpr int kChunk = Layout::kChunk;
  static constexpr int kChunks = kLines / 32;
  static constexpr int kAcross = (kInner ? Layout::kDepth : kLines) / kChunk;
  // From one chunk of a thread to the next: lines (kInner) or depths (kOuter).
  static constexpr int kStep = kProductThreads / kAcross;

 public:
  // `table` (kTables, table_count): of the depths (kInner) or lines (kOuter) of the range.
  __device__ __forceinline__ TileLoader(const Operand& operand, const TileRange& range,
                                        const float* table, int table_count)
      : operand_(operand), table_(table), table_count_(table_count) {
    const int thread = static_cast<int>(threadIdx.x);
    along_ = thread % kAcross * kChunk;
    slot_ = thread / kAcross;
    const int line = kInner ? Layout::LineOfSlot(slot_) : along_;
    const int depth = kInner ? along_ : slot_;
    const std::int64_t first = kInner ? range.line + line : range.depth + depth;
    offset_ = first * operand.pitch + (kInner ? range.depth + depth : range.line + line);
    lines_left_ = range.lines - line;
    depths_left_ = range.depths - depth;
    channel_ = along_;
  }

  // Starts the next tile on its way to `to`.
  __device__ __forceinline__ void Fetch(T* to) {
    if constexpr (Operand::kChanges) {
#pragma unroll
      for (int input = 0; input < Transform::kInputs; ++input) {
        Read(operand_.input(input) + offset_, raw_[input]);
      }
    } else if (operand_.access == Access::kWide) {
#pragma unroll
      for (int i = 0; i < kChunks; ++i) {
        AsyncCopy<16>(to + To(i), operand_.data + offset_ + i * step(), Inside(i) > 0);
      }
    } else if (sizeof(T) == 4 || operand_.access == Access::kWords) {
      constexpr int kWord = 4 / static_cast<int>(sizeof(T));
#pragma unroll 1
      for (int i = 0; i < kChunks; ++i) {
        const int inside = Inside(i);
#pragma unroll
        for (int at = 0; at < kChunk; at += kWord) {
          AsyncCopy<4>(to + To(i) + at, operand_.data + offset_ + i * step() + at, at < inside);
        }
      }
    } else {
#pragma unroll 1
      for (int i = 0; i < kChunks; ++i) {
        ReadSingly(operand_.data + offset_ + i * step(), Inside(i)).Store(to + To(i));
      }
    }
    depths_left_ -= Layout::kDepth;
    offset_ += kInner ? Layout::kDepth : Layout::kDepth * operand_.pitch;
  }

  // Puts what Fetch read last there, once transformed.
  __device__ __forceinline__ void Store(T* to) {
    if constexpr (Operand::kChanges) {
      // Half a chunk at a time, for the sake of registers.
      constexpr int kHalf = 4;
#pragma unroll
      for (int half = 0; half < kChunk; half += kHalf) {
        float numbers[kHalf][Transform::kTables];
#pragma unroll
        for (int which = 0; which < Transform::kTables; ++which) {
          Vector<float, kHalf> some;
          some.Load(table_ + which * table_count_ + channel_ + half);
#pragma unroll
          for (int e = 0; e < kHalf; ++e) numbers[e][which] = some.Get(e);
        }
#pragma unroll
        for (int i = 0; i < kChunks; ++i) {
          float values[kHalf];
#pragma unroll
          for (int e = 0; e < kHalf; ++e) {
            float inputs[Transform::kInputs];
#pragma unroll
            for (int input = 0; input < Transform::kInputs; ++input) {
              inputs[input] = raw_[input][i].Get(half + e);
            }
            values[e] = operand_.transform(inputs, numbers[e]);
            if (Inside(i, Layout::kDepth) <= 0) values[e] = 0;
          }
          Vector<T, kHalf> transformed;
          transformed.Set(values);
          transformed.Store(to + To(i) + half);
        }
      }
      if constexpr (kInner) channel_ += Layout::kDepth;
    }
  }

 private:
  __device__ __forceinline__ std::int64_t step() const { return kStep * operand_.pitch; }

  // How many elements of chunk i lie inside; not positive: none. `back`: depths to go back.
  __device__ __forceinline__ int Inside(int i, int back = 0) const {
    if constexpr (kInner) {
      return i * kStep < lines_left_ ? depths_left_ + back : 0;
    } else {
      return i * kStep < depths_left_ + back ? lines_left_ : 0;
    }
  }

  __device__ __forceinline__ int To(int i) const {
    if constexpr (kInner) {
      return Layout::InSlot(slot_ + i * kStep, along_ / kChunk);
    } else {
      return Layout::AtDepth(slot_ + i * kStep, along_);
    }
  }

  __device__ __forceinline__ void Read(const T* from, Vector<T, kChunk> (&chunks)[kChunks]) const {
    if (operand_.access == Access::kWide) {
#pragma unroll
      for (int i = 0; i < kChunks; ++i) {
        chunks[i].Clear();
        if (Inside(i) > 0) chunks[i].LoadReadOnly(from + i * step());
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < kChunks; ++i) chunks[i] = ReadSingly(from + i * step(), Inside(i));
  }

  static __device__ __forceinline__ Vector<T, kChunk> ReadSingly(const T* from, int inside) {
    float values[kChunk];
#pragma unroll
    for (int e = 0; e < kChunk; ++e) {
      Vector<T, 1> value;
      value.Clear();
      if (e < inside) value.LoadReadOnly(from + e);
      values[e] = value.Get(0);
    }
    Vector<T, kChunk> chunk;
    chunk.Set(values);
    return chunk;
  }

  const Operand& operand_;
  const float* table_;
  int table_count_;
  int along_;  // of the thread's chunks, in elements of what lies side by side
  int slot_;   // of its first chunk; with kOuter, its depth
  int channel_;
  std::int64_t offset_;
  int lines_left_;
  int depths_left_;
  Vector<T, kChunk> raw_[Transform::kInputs][kChunks];
};

}  // namespace nasengine::cuda
