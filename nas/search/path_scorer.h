// How good a path is, told by whoever has images: searchers that compare paths know no loader.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

namespace nasengine {

class PathScorer {
 public:
  virtual ~PathScorer() = default;
  // Share of held-out images that the path classifies rightly, in [0, 1].
  virtual double Top1(std::span<const int> path) = 0;
  // Whether no further path is wanted: a searcher then chooses among those scored so far.
  virtual bool stopped() const = 0;
};

}  // namespace nasengine
