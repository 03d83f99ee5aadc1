// What a table counts and in which unit: milliseconds of latency unless told otherwise. Any cost
// that adds up over the layers of a network can take latency's place in a search.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace nasengine {

struct CostUnit {
  std::string name = "latency";
  std::string unit = "ms";

  bool is_latency() const { return name == "latency"; }
  friend bool operator==(const CostUnit&, const CostUnit&) = default;
};

}  // namespace nasengine
