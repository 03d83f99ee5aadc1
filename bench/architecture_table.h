// The accuracies of every network of a small space, trained once by somebody else: a search can be
// repeated on them a thousand times in seconds.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nasengine {

// A full grid of networks: `edges` choices of `operations` candidates each.
class ArchitectureTable {
 public:
  // Reads comma-separated values with a header line and, among others, the columns `ops` (one digit
  // an edge, 0 to operations - 1, every combination once), `search_column` and `final_column`
  // (percent). Throws kInvalidArgument "origin:line: found ..., expected ...".
  ArchitectureTable(std::string_view csv, std::string_view origin, std::string_view search_column,
                    std::string_view final_column);

  int edges() const { return edges_; }
  int operations() const { return operations_; }
  std::size_t networks() const { return search_.size(); }
  // Accuracies in [0, 1]: what a search may ask for, and by what its result is judged.
  double SearchTop1(std::span<const int> path) const { return search_[IndexOf(path)]; }
  double FinalTop1(std::span<const int> path) const { return final_[IndexOf(path)]; }
  double BestFinalTop1() const;

 private:
  std::size_t IndexOf(std::span<const int> path) const;

  int edges_ = 0;
  int operations_ = 0;
  std::vector<double> search_;  // by IndexOf
  std::vector<double> final_;
};

}  // namespace nasengine
