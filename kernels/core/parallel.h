// Splitting a kernel's work over the context's threads in contiguous parts. Where a part begins
// depends only on the amount of work and the thread count, so results that depend on the split are
// the same in every run. Included by kernels only (needs OpenMP).
// SPDX-License-Identifier: MIT
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "kernels/core/context.h"

namespace nasengine {

// Below this many elements one thread is faster than waking the others.
inline constexpr std::int64_t kSerialElements = 32 * 1024;

// Multiply-adds below which the same holds.
inline constexpr std::int64_t kSerialTerms = 1 << 17;

// Part `index` of `parts` nearly equal ones of [0, size).
struct Range {
  Range(std::int64_t size, std::int64_t index, std::int64_t parts)
      : begin(size * index / parts), end(size * (index + 1) / parts) {}
  std::int64_t size() const { return end - begin; }
  std::int64_t begin;
  std::int64_t end;
};

// Calls body(thread, threads) on every thread of the team, or body(0, 1) when `serial`. The threads
// may meet at a barrier. `body` must not throw.
template <class Body>
void RunTeam(const Context& context, bool serial, const Body& body) {
  if (serial || context.threads() == 1) return body(0, 1);
#pragma omp parallel num_threads(context.threads())
  body(omp_get_thread_num(), omp_get_num_threads());
}

struct Chunk {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  int index = 0;
};

// Chunks that ForEachChunk makes of `items` items of `elements_per_item` elements.
inline int ChunkCount(const Context& context, std::int64_t items, std::int64_t elements_per_item) {
  const bool serial = items * elements_per_item < kSerialElements;
  return serial ? 1 : static_cast<int>(std::min<std::int64_t>(context.threads(), items));
}

// Calls body(Chunk) for chunks that cover [0, items) in order, each on its own thread. Chunks of
// single elements begin at multiples of 64, so that no two threads write to one cache line. `body`
// must not throw; it is not called for an empty chunk.
template <class Body>
void ForEachChunk(const Context& context, std::int64_t items, std::int64_t elements_per_item,
                  const Body& body) {
  const int chunks = ChunkCount(context, items, elements_per_item);
  if (chunks <= 1) {
    if (items > 0) body(Chunk{0, items, 0});
    return;
  }
  const std::int64_t granule = elements_per_item == 1 ? 64 : 1;
  const std::int64_t granules = (items + granule - 1) / granule;
  const std::int64_t chunk_items = (granules + chunks - 1) / chunks * granule;
#pragma omp parallel for num_threads(chunks) schedule(static, 1)
  for (int index = 0; index < chunks; ++index) {
    const std::int64_t begin = index * chunk_items;
    const std::int64_t end = std::min(begin + chunk_items, items);
    if (begin < end) body(Chunk{begin, end, index});
  }
}

}  // namespace nasengine
