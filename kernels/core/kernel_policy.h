// In which order the implementations of an operator are tried: data, not code. The order is the
// same for everything, or comes from a table of measurements by operator and shape.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/core/kernel_shape.h"

namespace nasengine {

enum class Impl { kReference, kOurs, kVendor };
// In the order in which they are tried where nothing else is said.
inline constexpr std::array kImpls{Impl::kOurs, Impl::kVendor, Impl::kReference};
std::string_view Name(Impl impl);  // "reference", "ours", "vendor"

// Each once, separated by commas, such as "vendor,ours". `what` starts the message.
// Throws kInvalidArgument on an unknown or repeated name.
std::vector<Impl> ParseOrder(std::string_view what, std::string_view text);
std::string ToString(std::span<const Impl> order);

// Whether a kernel ran alone or beside others: what is faster may differ.
enum class ThreadClass { kOne, kMore };
std::string_view Name(ThreadClass threads);  // "1", "more"

// How long the implementations of one operator took for one shape.
struct KernelPolicyRow {
  std::string op;
  KernelShape shape;
  ThreadClass threads = ThreadClass::kOne;
  std::vector<Impl> order;  // those measured, two or more, the one to try first in front
  double gain = 1;          // time of the second in the order over that of the first
  double noise = 0;         // by how much the same implementation differed from itself; a share
};

// What was measured on one machine (kernel_policy_file.h reads and writes it).
struct KernelPolicyTable {
  std::string capability;  // of DeviceBackend::capabilities
  std::string device;      // as DeviceBackend::name has it
  std::string vendor;      // the vendor's library, such as "oneDNN 2.6.3"
  int threads = 1;         // of rows of ThreadClass::kMore
  std::vector<KernelPolicyRow> rows;
};

// What a policy says about one operator and shape.
struct KernelChoice {
  std::vector<Impl> order;  // the first one that takes the arguments serves
  const KernelPolicyRow* row =
      nullptr;                     // that decided; null: none did. Lives as long as the policy
  Impl served = Impl::kReference;  // by whom it was served last, once it has been
};

class KernelPolicy {
 public:
  // ours, vendor, reference for every operator.
  KernelPolicy();
  // The same order, e.g. "vendor,ours,reference", for every operator; one that is not named never
  // serves. Throws what ParseOrder throws.
  static KernelPolicy Parse(std::string_view text);
  // The order of the measured class that comes nearest, then what is left of ours, vendor,
  // reference. Nearest is among the rows of the same operator, dtype and thread class, by kernel
  // and stride first and then by the other sizes, as logarithms of ratios; without any such row it
  // is ours, vendor, reference.
  explicit KernelPolicy(KernelPolicyTable table);

  // The order for `op` where nothing was measured; what is left of ours, vendor, reference follows.
  void SetOrder(std::string op, std::vector<Impl> order);

  KernelChoice Choose(std::string_view op, const KernelShape& shape, int threads) const;
  // Null without measurements.
  const KernelPolicyTable* table() const { return table_.get(); }

 private:
  std::vector<Impl> default_order_;
  std::map<std::string, std::vector<Impl>, std::less<>> orders_;
  std::shared_ptr<const KernelPolicyTable> table_;
};

// What a policy has said to the contexts of one thread count so far, so that each question is
// answered once: `context.State<KernelChoices>()`.
class KernelChoices {
 public:
  struct Key {
    const char* op;  // Op::kName
    KernelShape shape;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Hash {
    std::size_t operator()(const Key& key) const;
  };
  using Map = std::unordered_map<Key, KernelChoice, Hash>;

  KernelChoice& Get(const KernelPolicy& policy, int threads, const Key& key) {
    const auto found = made_.find(key);
    if (found != made_.end()) [[likely]]
      return found->second;
    return made_.emplace(key, policy.Choose(key.op, key.shape, threads)).first->second;
  }
  const Map& made() const { return made_; }

 private:
  Map made_;
};

}  // namespace nasengine
