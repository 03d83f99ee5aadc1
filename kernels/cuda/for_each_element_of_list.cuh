// ForEachElement over many small tensors in one launch: each entry of a list has a body of its own,
// for its own elements. The list is a parameter of the kernel, so that nothing has to be copied to
// the device beforehand; one that is longer takes several launches.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "kernels/cuda/for_each_element.cuh"

namespace nasengine::cuda {

template <class Body>
struct ListedElements {
  Body body;
  std::int64_t n = 0;
};

// Every launch copies its parameters: a list of the usual length is short, and 4 KiB are what any
// device and compiler takes [CUDA C++ Programming Guide, function parameters].
inline constexpr std::size_t kMostListBytes = 4096;

template <class Body>
struct ElementList {
  struct Entry {
    ListedElements<Body> elements;
    std::int64_t end = 0;  // its blocks begin where those of the entry before end
    bool wide = false;
  };
  static constexpr int kMost = static_cast<int>((kMostListBytes - alignof(Entry)) / sizeof(Entry));
  Entry entries[kMost];
  int count = 0;
};

template <class Body>
__global__ void __launch_bounds__(kElementThreads)
    ForListedElements(const __grid_constant__ ElementList<Body> list) {
  const std::int64_t block = blockIdx.x;
  // The first entry that ends behind this block.
  int low = 0;
  for (int high = list.count - 1; low < high;) {
    const int middle = (low + high) / 2;
    if (block < list.entries[middle].end) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const std::int64_t own = block - (low == 0 ? 0 : list.entries[low - 1].end);
  const ListedElements<Body>& elements = list.entries[low].elements;
  if (list.entries[low].wide) {
    ForElementsOfBlock<Body::kVector>(elements.body, own, elements.n);
  } else {
    ForElementsOfBlock<1>(elements.body, own, elements.n);
  }
}

template <class Body>
void ForEachElementOfList(Context& context, const char* name,
                          std::span<const ListedElements<Body>> all) {
  static_assert(ElementList<Body>::kMost > 0 && sizeof(ElementList<Body>) <= kMostListBytes);
  ElementList<Body> list;
  std::int64_t blocks = 0;
  const auto launch = [&] {
    Launch(context, name, &ForListedElements<Body>, ElementShape(name, blocks), list);
    list.count = 0;
    blocks = 0;
  };
  for (const ListedElements<Body>& elements : all) {
    if (elements.n == 0) continue;
    if (list.count == ElementList<Body>::kMost) launch();
    const bool wide = elements.body.aligned();
    blocks += wide ? ElementBlocks<Body::kVector>(elements.n) : ElementBlocks<1>(elements.n);
    list.entries[list.count++] = {.elements = elements, .end = blocks, .wide = wide};
  }
  launch();
}

}  // namespace nasengine::cuda
