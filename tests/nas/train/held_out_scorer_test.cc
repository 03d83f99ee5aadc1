// SPDX-License-Identifier: MIT
#include "nas/train/held_out_scorer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "data/split.h"
#include "data/synthetic_dataset.h"
#include "nas/train/evaluator.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

class HeldOutScorerTest : public SupernetFixture {};

TEST_F(HeldOutScorerTest, ScoresReportsAndStops) {
  const SearchSpace space = TinySpace();
  Supernet supernet(context(), space);
  supernet.Initialize(1);
  const SyntheticDataset data({.shape = {8, 8, 2}, .classes = 3, .count = 50, .seed = 2});
  EvalBatches batches(data, AllIndices(data), 20, ComputeChannelStats(data), allocator());
  std::vector<StepRecord> records;
  std::atomic<bool> stop = false;
  const LoopControl control{.observe = [&](const StepRecord& record) { records.push_back(record); },
                            .stop = &stop};
  HeldOutScorer scorer({context(), allocator(), supernet, batches}, 7, 3, control);
  for (const Path& path : {Path{0, 0}, Path{1, 2}}) {
    const Evaluation expected = Evaluate(context(), supernet, path, batches);
    EXPECT_EQ(scorer.Top1(path), expected.top1 / 100);
    EXPECT_EQ(records.back().top1, expected.top1);
    EXPECT_EQ(records.back().loss, expected.loss);
  }
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].step, 2);
  EXPECT_EQ(records[1].steps, 7);
  EXPECT_EQ(records[1].epoch, 3);
  EXPECT_EQ(records[1].phase, Phase::kEval);
  EXPECT_EQ(records[1].images, 50);
  EXPECT_GT(records[1].peak_bytes, 0);
  EXPECT_FALSE(scorer.stopped());
  stop = true;
  EXPECT_TRUE(scorer.stopped());
}

}  // namespace
}  // namespace nasengine
