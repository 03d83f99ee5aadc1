// From the value of --data to a training set, a test set and the statistics that normalise them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "data/channel_stats.h"
#include "data/dataset.h"
#include "kernels/core/allocator.h"

namespace nasengine {

struct DataSource {
  std::string name;  // what --data said
  std::unique_ptr<Dataset> train;
  std::unique_ptr<Dataset> test;
  ChannelStats stats;  // of `train`
};

struct DataSourceOptions {
  // Of synthetic sets only. Counts of 0 mean 4096 and 1024, or 8 and 2 a class if that is more.
  std::uint32_t synthetic_seed = 0;
  std::int64_t synthetic_train_count = 0;
  std::int64_t synthetic_test_count = 0;
};

// Accepts `fashion-mnist`, `synthetic:HxWxC:K`, `cifar10:DIR`, or the path of a folder with IDX
// files or CIFAR-10's binary files (a leading ~ is the home folder). Images that are stored come
// from `allocator`. Throws kInvalidArgument with the list of what is accepted for anything else,
// and whatever the chosen loader throws.
DataSource OpenDataSource(std::string_view value, Allocator& allocator,
                          const DataSourceOptions& options = {});

// A value that opens the same set from any folder: its path, where it has one, made absolute.
std::string AbsoluteDataSource(std::string_view value);

}  // namespace nasengine
