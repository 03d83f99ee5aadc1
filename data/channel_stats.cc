// SPDX-License-Identifier: MIT
#include "data/channel_stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "kernels/core/rng.h"

namespace nasengine {
namespace {

constexpr std::int64_t kSampleBytes = std::int64_t{64} << 20;
constexpr std::int64_t kMinSampledImages = 64;

// The images to look at: all of them, or a sample that does not depend on any run's seed.
std::vector<std::int32_t> Sampled(const Dataset& dataset) {
  const std::int64_t limit =
      std::max(kMinSampledImages, kSampleBytes / dataset.image_shape().elements());
  if (dataset.size() > limit) {
    std::vector<std::int32_t> order =
        Rng(0, RngPurpose::kCalibration).Permutation(static_cast<std::int32_t>(dataset.size()), 0);
    order.resize(static_cast<std::size_t>(limit));
    return order;
  }
  std::vector<std::int32_t> all(static_cast<std::size_t>(dataset.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  return all;
}

}  // namespace

ChannelStats ComputeChannelStats(const Dataset& dataset) {
  const auto channels = static_cast<std::size_t>(dataset.image_shape().c);
  std::vector<std::array<std::int64_t, 256>> histogram(channels);
  for (auto& counts : histogram) counts.fill(0);
  std::vector<std::uint8_t> image(static_cast<std::size_t>(dataset.image_shape().elements()));
  for (const std::int32_t index : Sampled(dataset)) {
    dataset.ReadImage(index, image);
    for (std::size_t i = 0; i < image.size(); i += channels) {
      for (std::size_t c = 0; c < channels; ++c) ++histogram[c][image[i + c]];
    }
  }
  ChannelStats stats;
  for (const auto& counts : histogram) {
    double n = 0, sum = 0, squares = 0;
    for (int value = 0; value < 256; ++value) {
      const auto count = static_cast<double>(counts[static_cast<std::size_t>(value)]);
      n += count;
      sum += count * value;
      squares += count * value * value;
    }
    const double mean = sum / n;
    const double variance = std::max(0.0, squares / n - mean * mean);
    stats.mean.push_back(static_cast<float>(mean / 255));
    stats.std.push_back(variance > 0 ? static_cast<float>(std::sqrt(variance) / 255) : 1.0f);
  }
  return stats;
}

}  // namespace nasengine
