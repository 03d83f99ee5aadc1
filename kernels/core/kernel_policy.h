// In which order the implementations of an operator are tried: data, not code.
// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace nasengine {

enum class Impl { kReference, kOurs, kVendor };
std::string_view Name(Impl impl);  // "reference", "ours", "vendor"

class KernelPolicy {
 public:
  // ours, vendor, reference for every operator.
  KernelPolicy();
  // Parses an order such as "vendor,ours,reference", used for every operator.
  // Throws kInvalidArgument on an unknown or repeated name.
  static KernelPolicy Parse(std::string_view text);

  // Overrides the order of one operator.
  void Set(std::string_view op, std::vector<Impl> order);
  std::span<const Impl> Order(std::string_view op) const;

 private:
  std::vector<Impl> default_order_;
  std::map<std::string, std::vector<Impl>, std::less<>> by_op_;
};

}  // namespace nasengine
