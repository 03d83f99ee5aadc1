// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_policy.h"

#include <algorithm>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {

std::string_view Name(Impl impl) {
  switch (impl) {
    case Impl::kReference:
      return "reference";
    case Impl::kOurs:
      return "ours";
    case Impl::kVendor:
      break;
  }
  return "vendor";
}

KernelPolicy::KernelPolicy() : default_order_{Impl::kOurs, Impl::kVendor, Impl::kReference} {}

KernelPolicy KernelPolicy::Parse(std::string_view text) {
  KernelPolicy policy;
  policy.default_order_.clear();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    bool known = false;
    for (Impl impl : {Impl::kReference, Impl::kOurs, Impl::kVendor}) {
      if (word != Name(impl)) continue;
      known = true;
      NAS_CHECK(std::ranges::find(policy.default_order_, impl) == policy.default_order_.end(),
                "kernels: '", word, "' appears twice in '", text, "'");
      policy.default_order_.push_back(impl);
    }
    NAS_CHECK(known, "kernels: found '", word, "' in '", text,
              "', expected a list of ours, vendor, reference");
    begin = end + 1;
  }
  return policy;
}

void KernelPolicy::Set(std::string_view op, std::vector<Impl> order) {
  by_op_.insert_or_assign(std::string(op), std::move(order));
}

std::span<const Impl> KernelPolicy::Order(std::string_view op) const {
  const auto found = by_op_.find(op);
  return found == by_op_.end() ? default_order_ : found->second;
}

}  // namespace nasengine
