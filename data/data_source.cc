// SPDX-License-Identifier: MIT
#include "data/data_source.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <system_error>
#include <utility>

#include "data/cifar_dataset.h"
#include "data/idx_dataset.h"
#include "data/synthetic_dataset.h"
#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr char kAccepted[] =
    "accepted are fashion-mnist, synthetic:HxWxC:K (such as synthetic:32x32x3:10), cifar10:DIR and "
    "a folder of IDX files (train-images-idx3-ubyte[.gz] and its three companions) or of "
    "CIFAR-10's "
    "binary files (data_batch_1.bin and its five companions)";
constexpr std::string_view kSyntheticPrefix = "synthetic:";
constexpr std::string_view kCifar10Prefix = "cifar10:";
constexpr std::int64_t kMaxSide = 4096;
constexpr std::int64_t kMaxChannels = 64;
constexpr std::int64_t kMaxClasses = 100000;

// The four numbers of "HxWxC:K", or nothing when the text has another form.
std::optional<std::array<std::int64_t, 4>> ParseSizes(std::string_view text) {
  constexpr std::string_view kSeparators = "xx:";
  std::array<std::int64_t, 4> sizes;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto [next, error] = std::from_chars(at, end, sizes[i]);
    if (error != std::errc() || sizes[i] <= 0) return std::nullopt;
    at = next;
    if (i == kSeparators.size()) break;
    if (at == end || *at != kSeparators[i]) return std::nullopt;
    ++at;
  }
  if (at != end) return std::nullopt;
  return sizes;
}

TrainAndTest MakeSynthetic(std::string_view value, const DataSourceOptions& options) {
  const auto sizes = ParseSizes(value.substr(kSyntheticPrefix.size()));
  NAS_CHECK(sizes.has_value(), "--data ", value,
            ": expected synthetic:HxWxC:K with positive numbers, such as synthetic:32x32x3:10");
  const auto [h, w, c, classes] = *sizes;
  NAS_CHECK(h <= kMaxSide && w <= kMaxSide && c <= kMaxChannels && classes <= kMaxClasses,
            "--data ", value, ": at most ", kMaxSide, "x", kMaxSide, "x", kMaxChannels, " and ",
            kMaxClasses, " classes");
  auto count = [classes = classes](std::int64_t wanted, std::int64_t usual, std::int64_t a_class) {
    return wanted > 0 ? wanted : std::max(usual, a_class * classes);
  };
  SyntheticConfig config{.name = std::string(value) + " train",
                         .shape = {h, w, c},
                         .classes = static_cast<int>(classes),
                         .count = count(options.synthetic_train_count, 4096, 8),
                         .first_index = 0,
                         .seed = options.synthetic_seed};
  TrainAndTest sets;
  sets.train = std::make_unique<SyntheticDataset>(config);
  config.name = std::string(value) + " test";
  // Beyond any training image, whatever the counts.
  config.first_index = std::int64_t{1} << 40;
  config.count = count(options.synthetic_test_count, 1024, 2);
  sets.test = std::make_unique<SyntheticDataset>(config);
  return sets;
}

// A leading "~" or "~/" stands for the home folder, for shells that leave it as it is.
std::filesystem::path ExpandHome(std::string_view value) {
  const bool at_home = value == "~" || value.starts_with("~/");
  const char* home = at_home ? std::getenv("HOME") : nullptr;
  if (home == nullptr) return std::filesystem::path(value);
  return std::filesystem::path(std::string(home) + std::string(value.substr(1)));
}

TrainAndTest OpenFolder(std::string_view value, Allocator& allocator) {
  const std::filesystem::path path = ExpandHome(value);
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  NAS_CHECK(!value.empty() && std::filesystem::exists(status), "--data '", value,
            "': neither a known data set nor an existing folder; ", kAccepted);
  NAS_CHECK(std::filesystem::is_directory(status), "--data ", value, ": not a folder; ", kAccepted);
  if (HoldsIdx(path)) return LoadIdx(path, allocator);
  NAS_CHECK(HoldsCifar10(path), "--data ", value,
            ": neither train-images-idx3-ubyte[.gz] nor data_batch_1.bin in it; ", kAccepted);
  return LoadCifar10(path, allocator);
}

TrainAndTest OpenSets(std::string_view value, Allocator& allocator,
                      const DataSourceOptions& options) {
  if (value == "fashion-mnist") return LoadFashionMnist(allocator);
  if (value.starts_with(kSyntheticPrefix)) return MakeSynthetic(value, options);
  if (value.starts_with(kCifar10Prefix)) {
    const std::string_view folder = value.substr(kCifar10Prefix.size());
    NAS_CHECK(!folder.empty(), "--data ", value, ": found no folder, expected cifar10:DIR");
    return LoadCifar10(ExpandHome(folder), allocator);
  }
  return OpenFolder(value, allocator);
}

}  // namespace

std::string AbsoluteDataSource(std::string_view value) {
  if (value == "fashion-mnist" || value.starts_with(kSyntheticPrefix)) return std::string(value);
  const std::string_view prefix =
      value.starts_with(kCifar10Prefix) ? kCifar10Prefix : std::string_view();
  const std::filesystem::path path = ExpandHome(value.substr(prefix.size()));
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return std::string(prefix) + (error ? path : absolute).lexically_normal().string();
}

DataSource OpenDataSource(std::string_view value, Allocator& allocator,
                          const DataSourceOptions& options) {
  TrainAndTest sets = OpenSets(value, allocator, options);
  ChannelStats stats = ComputeChannelStats(*sets.train);
  return {.name = std::string(value),
          .train = std::move(sets.train),
          .test = std::move(sets.test),
          .stats = std::move(stats)};
}

}  // namespace nasengine
