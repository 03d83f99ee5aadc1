// SPDX-License-Identifier: MIT
#include "data/split.h"

#include <algorithm>
#include <numeric>

#include "kernels/core/error.h"
#include "kernels/core/rng.h"

namespace nasengine {
namespace {

using Members = std::vector<std::vector<std::int32_t>>;  // images of every class, ascending

Members MembersByClass(const Dataset& dataset) {
  Members members(static_cast<std::size_t>(dataset.classes()));
  for (std::int64_t i = 0; i < dataset.size(); ++i) {
    members[static_cast<std::size_t>(dataset.label(i))].push_back(static_cast<std::int32_t>(i));
  }
  return members;
}

// How many of every class to hold out: they add up to `held_out`, none exceeds its class.
std::vector<std::int64_t> Shares(const Members& members, std::int64_t held_out,
                                 std::int64_t total) {
  std::vector<std::int64_t> shares, remainders;
  for (const auto& images : members) {
    const std::int64_t scaled = held_out * static_cast<std::int64_t>(images.size());
    shares.push_back(scaled / total);
    remainders.push_back(scaled % total);
  }
  std::vector<std::size_t> by_remainder(members.size());
  std::iota(by_remainder.begin(), by_remainder.end(), std::size_t{0});
  std::stable_sort(by_remainder.begin(), by_remainder.end(),
                   [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  const std::int64_t missing =
      held_out - std::accumulate(shares.begin(), shares.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < missing; ++i) ++shares[by_remainder[static_cast<std::size_t>(i)]];
  return shares;
}

std::vector<std::int64_t> EqualShares(const Dataset& dataset, const Members& members,
                                      std::int64_t held_out) {
  const auto classes = static_cast<std::int64_t>(members.size());
  std::vector<std::int64_t> shares;
  for (std::int64_t label = 0; label < classes; ++label) {
    const std::int64_t share = held_out / classes + (label < held_out % classes ? 1 : 0);
    const auto images = static_cast<std::int64_t>(members[static_cast<std::size_t>(label)].size());
    NAS_CHECK(
        share <= images, dataset.name(), ": class ", label, " has ", images, " images, expected ",
        share,
        " or more to hold out equally many of every class; a stratified split takes a share of "
        "each");
    shares.push_back(share);
  }
  return shares;
}

// The first shares[label] images of every class in an order drawn for it.
Split HoldOut(const Members& members, const std::vector<std::int64_t>& shares, std::uint32_t seed) {
  Split split;
  const Rng rng(seed, RngPurpose::kSplit);
  for (std::size_t label = 0; label < members.size(); ++label) {
    const auto& images = members[label];
    if (images.empty()) continue;
    const auto order = rng.Permutation(static_cast<std::int32_t>(images.size()), label);
    for (std::size_t i = 0; i < order.size(); ++i) {
      auto& part =
          static_cast<std::int64_t>(i) < shares[label] ? split.architecture : split.weights;
      part.push_back(images[static_cast<std::size_t>(order[i])]);
    }
  }
  std::sort(split.weights.begin(), split.weights.end());
  std::sort(split.architecture.begin(), split.architecture.end());
  return split;
}

void CheckHeldOut(const Dataset& dataset, std::int64_t held_out_count) {
  NAS_CHECK(held_out_count >= 0 && held_out_count <= dataset.size(), dataset.name(),
            ": cannot hold out ", held_out_count, " of ", dataset.size(), " images");
}

}  // namespace

Split StratifiedSplit(const Dataset& dataset, std::int64_t held_out_count, std::uint32_t seed) {
  CheckHeldOut(dataset, held_out_count);
  if (dataset.size() == 0) return {};
  const Members members = MembersByClass(dataset);
  return HoldOut(members, Shares(members, held_out_count, dataset.size()), seed);
}

Split EqualSplit(const Dataset& dataset, std::int64_t held_out_count, std::uint32_t seed) {
  CheckHeldOut(dataset, held_out_count);
  const Members members = MembersByClass(dataset);
  return HoldOut(members, EqualShares(dataset, members, held_out_count), seed);
}

std::vector<std::int32_t> AllIndices(const Dataset& dataset) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(dataset.size()));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace nasengine
