// The profiler measures what it is given, by the protocol it states, and stops when told.
// SPDX-License-Identifier: MIT
#include "nas/latency/latency_profiler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "nas/deploy/fold.h"
#include "nas/latency/latency_model.h"
#include "nas/space/space_file.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

// One thread: on a busy machine two of them wait for each other longer than they work.
class LatencyProfilerTest : public KernelFixture {
 protected:
  LatencyProfilerTest()
      : KernelFixture(EmulatedMemory::kCounted),
        context_(backend(), allocator(), KernelFixture::context().registry(), KernelPolicy(), 1) {}

  Context& context() { return context_; }

  static ProfileOptions Quick() {
    ProfileOptions options;
    options.rounds = 9;
    options.min_rounds = 3;
    options.time_budget_s = 60;
    return options;
  }

  SearchSpace space_ = LoadSpace("fashion");

 private:
  Context context_;
};

TEST_F(LatencyProfilerTest, TimesEveryKeyOfASpace) {
  const std::vector<KeyedLayer> layers = DistinctKeys(space_);
  const LatencyTable table = MeasureTable(context(), layers, space_.batch_norm, Quick());
  EXPECT_EQ(table.entries.size(), layers.size());
  EXPECT_EQ(table.threads, 1);
  EXPECT_EQ(table.batch, 1);
  EXPECT_EQ(table.runtime, "nasengine");
  EXPECT_FALSE(table.device.empty());
  for (const auto& [key, entry] : table.entries) {
    EXPECT_TRUE(std::isfinite(entry.cost) && entry.cost > 0) << key;
    EXPECT_EQ(entry.samples, 9) << key;
  }
  // Complete, and fit to be written and read.
  const LatencyModel model(space_, LatencyTableFromJson(LatencyTableToJson(table), "t.json"));
  EXPECT_GT(model.SmallestReachableMs(), 0);
}

TEST_F(LatencyProfilerTest, MoreWorkTakesLonger) {
  const std::vector<int> largest = LargestPath(space_);
  const std::vector<int> smallest = SmallestPath(space_);
  const LatencyModel model(
      space_, MeasureTable(context(), DistinctKeys(space_), space_.batch_norm, Quick()));
  EXPECT_GT(model.PathMs(largest), 1.2 * model.PathMs(smallest));
}

TEST_F(LatencyProfilerTest, ReportsProgressAndKeepsToItsTime) {
  ProfileOptions options = Quick();
  options.rounds = 1000000;
  options.time_budget_s = 0;
  int calls = 0;
  options.progress = [&calls](const ProfileProgress& progress) {
    ++calls;
    EXPECT_EQ(progress.rounds_done, calls);
    EXPECT_EQ(progress.rounds, 1000000);
  };
  const std::vector<KeyedLayer> layers = DistinctKeys(Derive(space_, SmallestPath(space_)));
  const LatencyTable table = MeasureTable(context(), layers, space_.batch_norm, options);
  EXPECT_EQ(calls, 3) << "the fewest rounds that were asked for";
  EXPECT_EQ(table.entries.begin()->second.samples, 3);
}

TEST_F(LatencyProfilerTest, StopsWhenTheCallbackThrowsAndLeavesNothing) {
  const std::vector<KeyedLayer> layers = DistinctKeys(Derive(space_, SmallestPath(space_)));
  MeasureTable(context(), layers, space_.batch_norm, Quick());
  const std::int64_t before = allocator().stats().active_bytes;
  ProfileOptions options = Quick();
  options.progress = [](const ProfileProgress&) { Throw(ErrorCode::kUnsupported, "stop"); };
  EXPECT_THROW(MeasureTable(context(), layers, space_.batch_norm, options), Error);
  EXPECT_EQ(allocator().stats().active_bytes, before);
}

TEST_F(LatencyProfilerTest, TimesAWholeNetwork) {
  for (const std::vector<int>& path : {LargestPath(space_), SmallestPath(space_)}) {
    const NetworkDesc desc = Derive(space_, path);
    Network network(context(), desc);
    network.Initialize(1);
    FoldedRunner runner(context(), Fold(context(), network), 1);
    const std::int64_t before = allocator().stats().active_bytes;
    const NetworkTiming timing = MeasureNetwork(context(), desc, runner, Quick());
    EXPECT_EQ(timing.whole.count, 9);
    EXPECT_GT(timing.whole.median, 0);
    EXPECT_LE(timing.whole.min, timing.whole.median);
    // Widely, since other programs run beside tests: layers that are missing or counted twice show
    // in a network of few.
    EXPECT_GT(timing.sum_of_layers_ms, 0.4 * timing.whole.median);
    EXPECT_LT(timing.sum_of_layers_ms, 4 * timing.whole.median);
    EXPECT_EQ(allocator().stats().active_bytes, before);
  }
}

TEST_F(LatencyProfilerTest, RefusesWhatMakesNoSense) {
  const std::vector<KeyedLayer> layers = DistinctKeys(space_);
  EXPECT_THROW(MeasureTable(context(), {}, space_.batch_norm, Quick()), Error);
  ProfileOptions options = Quick();
  options.min_rounds = 10;
  EXPECT_THROW(MeasureTable(context(), layers, space_.batch_norm, options), Error);
  options = Quick();
  options.min_rounds = 0;
  EXPECT_THROW(MeasureTable(context(), layers, space_.batch_norm, options), Error);
  options = Quick();
  options.time_budget_s = std::nan("");
  EXPECT_THROW(MeasureTable(context(), layers, space_.batch_norm, options), Error);
}

}  // namespace
}  // namespace nasengine
