// SPDX-License-Identifier: MIT
#include "bench/table_search.h"

#include <set>
#include <utility>

#include "kernels/core/error.h"
#include "nas/search/draws.h"

namespace nasengine {
namespace {

class Tracer {
 public:
  explicit Tracer(const ArchitectureTable& table) : table_(table) {}

  double Query(std::span<const int> path) {
    const double top1 = table_.SearchTop1(path);
    if (top1 > best_top1_) {
      best_top1_ = top1;
      found_top1_ = table_.FinalTop1(path);
    }
    trace_.asked_top1.push_back(top1);
    trace_.found_top1.push_back(found_top1_);
    return top1;
  }
  QueryTrace Take() { return std::move(trace_); }
  int queries() const { return static_cast<int>(trace_.asked_top1.size()); }

 private:
  const ArchitectureTable& table_;
  double best_top1_ = -1;
  double found_top1_ = 0;
  QueryTrace trace_;
};

std::vector<BinaryGate> GatesOf(const ArchitectureTable& table) {
  return std::vector<BinaryGate>(static_cast<std::size_t>(table.edges()),
                                 BinaryGate(table.operations()));
}

}  // namespace

QueryTrace SearchByReinforce(Context& context, const ArchitectureTable& table,
                             const ReinforceConfig& config, int queries) {
  std::vector<BinaryGate> gates = GatesOf(table);
  Reinforce reinforce(gates, config);
  Tracer tracer(table);
  for (std::uint64_t step = 0; tracer.queries() + config.samples <= queries; ++step) {
    reinforce.Update(context, step, [&](std::span<const int> path) { return tracer.Query(path); });
  }
  return tracer.Take();
}

QueryTrace SearchAtRandom(const ArchitectureTable& table, std::uint32_t seed, int queries) {
  NAS_CHECK(queries <= static_cast<int>(table.networks()), "random search: ", queries,
            " distinct paths of ", table.networks());
  const std::vector<BinaryGate> gates = GatesOf(table);
  const Rng rng(seed, RngPurpose::kGates);
  Tracer tracer(table);
  std::set<std::vector<int>> seen;
  for (std::uint64_t i = 0; tracer.queries() < queries; ++i) {
    std::vector<int> path;
    for (std::size_t g = 0; g < gates.size(); ++g) {
      path.push_back(gates[g].Sample(rng, ArchitectureDraw(i), static_cast<int>(g)));
    }
    if (seen.insert(path).second) tracer.Query(path);
  }
  return tracer.Take();
}

}  // namespace nasengine
