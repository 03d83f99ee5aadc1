// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_policy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

double SquaredLogRatio(std::int64_t a, std::int64_t b) {
  const auto at_least_one = [](std::int64_t size) {  // an empty batch has no logarithm
    return static_cast<double>(std::max<std::int64_t>(size, 1));
  };
  const double log_ratio = std::log(at_least_one(a) / at_least_one(b));
  return log_ratio * log_ratio;
}

// Another kernel or stride is another algorithm, another size only more or less of it: so the first
// number decides, the second where it is equal.
std::pair<double, double> Distance(const KernelShape& a, const KernelShape& b) {
  return {SquaredLogRatio(a.kernel, b.kernel) + SquaredLogRatio(a.stride, b.stride),
          SquaredLogRatio(a.width, b.width) + SquaredLogRatio(a.rows, b.rows) +
              SquaredLogRatio(a.c_in, b.c_in) + SquaredLogRatio(a.c_out, b.c_out)};
}

// The first of equally near ones; null where nothing like it was measured.
const KernelPolicyRow* NearestRow(std::span<const KernelPolicyRow> rows, std::string_view op,
                                  const KernelShape& shape, ThreadClass threads) {
  const KernelPolicyRow* nearest = nullptr;
  for (const KernelPolicyRow& row : rows) {
    if (row.op != op || row.shape.dtype != shape.dtype || row.threads != threads) continue;
    if (nearest == nullptr || Distance(row.shape, shape) < Distance(nearest->shape, shape)) {
      nearest = &row;
    }
  }
  return nearest;
}

}  // namespace

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

std::vector<Impl> ParseOrder(std::string_view what, std::string_view text) {
  std::vector<Impl> order;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    const auto* impl = std::ranges::find(kImpls, word, [](Impl each) { return Name(each); });
    NAS_CHECK(impl != kImpls.end(), what, ": found '", word, "' in '", text,
              "', expected a list of ours, vendor, reference");
    NAS_CHECK(std::ranges::find(order, *impl) == order.end(), what, ": found '", word,
              "' twice in '", text, "', expected it once");
    order.push_back(*impl);
    begin = end + 1;
  }
  return order;
}

std::string ToString(std::span<const Impl> order) {
  std::string text;
  for (Impl impl : order) text += StrCat(text.empty() ? "" : ",", Name(impl));
  return text;
}

std::string_view Name(ThreadClass threads) { return threads == ThreadClass::kOne ? "1" : "more"; }

KernelPolicy::KernelPolicy() : default_order_(kImpls.begin(), kImpls.end()) {}

KernelPolicy KernelPolicy::Parse(std::string_view text) {
  KernelPolicy policy;
  policy.default_order_ = ParseOrder("kernels", text);
  return policy;
}

KernelPolicy::KernelPolicy(KernelPolicyTable table) : KernelPolicy() {
  table_ = std::make_shared<const KernelPolicyTable>(std::move(table));
}

void KernelPolicy::SetOrder(std::string op, std::vector<Impl> order) {
  orders_.insert_or_assign(std::move(op), std::move(order));
}

KernelChoice KernelPolicy::Choose(std::string_view op, const KernelShape& shape,
                                  int threads) const {
  KernelChoice choice;
  if (table_ != nullptr) {
    const ThreadClass thread_class = threads == 1 ? ThreadClass::kOne : ThreadClass::kMore;
    choice.row = NearestRow(table_->rows, op, shape, thread_class);
  }
  if (choice.row != nullptr) {
    choice.order = choice.row->order;
  } else if (const auto own = orders_.find(op); own != orders_.end()) {
    choice.order = own->second;
  }
  for (Impl impl : default_order_) {
    if (std::ranges::find(choice.order, impl) == choice.order.end()) choice.order.push_back(impl);
  }
  return choice;
}

std::size_t KernelChoices::Hash::operator()(const Key& key) const {
  const KernelShape& shape = key.shape;
  std::size_t hash = std::hash<const char*>()(key.op) ^ static_cast<std::size_t>(shape.dtype);
  for (std::int64_t size :
       {shape.kernel, shape.stride, shape.width, shape.rows, shape.c_in, shape.c_out}) {
    hash = (hash ^ static_cast<std::size_t>(size)) * 0x100000001b3u;  // FNV-1a, a number at a time
  }
  return hash;
}

}  // namespace nasengine
