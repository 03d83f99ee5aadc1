// The memory argument: what one path takes beside all of them, planned on the space of the paper.
// SPDX-License-Identifier: MIT
#include "bench/memory_cases.h"

#include <gtest/gtest.h>

#include "bench/memory_chart.h"
#include "kernels/register/register_kernels.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

class MemoryCasesTest : public ::testing::Test {
 protected:
  std::vector<MemoryCase> Plan(const SearchSpace& space, int drawn_paths) const {
    return PlanCases(space, registry_, {.batch = 4, .drawn_paths = drawn_paths});
  }
  static std::int64_t Activations(std::span<const MemoryCase> cases, const std::string& name,
                                  CasePath path) {
    return FindCase(cases, name, path).planned.activations;
  }

  const KernelRegistry registry_ = MakeCpuRegistry();
  const SearchSpace imagenet_ = LoadSpace("proxyless-imagenet");
};

TEST_F(MemoryCasesTest, OnePathKeepsAFifthOfAllPaths) {
  const ShareOfAllPaths share = CompareWithAllPaths(Plan(WithCandidates(imagenet_, 6), 100));
  EXPECT_LE(share.mean_activations, 0.21);
  EXPECT_LE(share.largest_activations, 0.26);
  // Half of the candidates expand half as much, so the share of six is nearer to this than to 1/6.
  EXPECT_GT(share.mean_activations, 1.0 / 6);
  EXPECT_GT(share.largest_activations, share.mean_activations);
}

TEST_F(MemoryCasesTest, TheLargestPathTakesTheSameWhateverTheListsLength) {
  const std::vector<MemoryCase> two = Plan(WithCandidates(imagenet_, 2), 1);
  const std::vector<MemoryCase> seven = Plan(imagenet_, 1);
  EXPECT_EQ(Activations(two, "proxyless-g weights", CasePath::kLargest),
            Activations(seven, "proxyless-g weights", CasePath::kLargest));
  EXPECT_LT(2 * Activations(two, "darts weights", CasePath::kAll),
            Activations(seven, "darts weights", CasePath::kAll));
}

// The second path is evaluated on the side: it is not kept.
TEST_F(MemoryCasesTest, TwoPathsTakeOnePathsMemory) {
  const std::vector<MemoryCase> cases = Plan(WithCandidates(imagenet_, 6), 10);
  for (const CasePath path : {CasePath::kLargest, CasePath::kMean}) {
    EXPECT_LE(static_cast<double>(Activations(cases, "proxyless-g-two architecture", path)),
              1.1 * static_cast<double>(Activations(cases, "proxyless-g weights", path)));
    EXPECT_LE(Activations(cases, "proxyless-g-two architecture", path),
              Activations(cases, "proxyless-g architecture", path));
  }
}

TEST(WithCandidatesTest, ShortensLists) {
  const SearchSpace space = TinySpace({.candidates = kSixCandidates});
  const auto lengths = [](const SearchSpace& of) {
    std::vector<std::size_t> found;
    for (const ChoiceNode* choice : of.Choices()) found.push_back(choice->candidates.size());
    return found;
  };
  EXPECT_EQ(lengths(WithCandidates(space, 2)), (std::vector<std::size_t>{2, 2}));
  // The first block cannot be skipped: it has no seventh candidate.
  EXPECT_EQ(lengths(WithCandidates(space, 7)), (std::vector<std::size_t>{6, 7}));
}

TEST_F(MemoryCasesTest, CasesAreTheSameForTheSameSpace) {
  const SearchSpace space = TinySpace({.candidates = kSixCandidates});
  const std::vector<MemoryCase> first = Plan(space, 5);
  const std::vector<MemoryCase> second = Plan(space, 5);
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].planned.peak, second[i].planned.peak);
  }
  EXPECT_THROW(FindCase(first, "darts weights", CasePath::kMean), Error);
}

TEST_F(MemoryCasesTest, ThePictureHasALineACase) {
  const SearchSpace space = TinySpace({.candidates = kSixCandidates});
  std::vector<MemoryPoint> points;
  for (const int candidates : {2, 3, 4}) {
    points.push_back({candidates, 4, Plan(WithCandidates(space, candidates), 2)});
  }
  const ChartPanel panel = MemoryPanel(space, points);
  EXPECT_EQ(panel.title, "tiny, 8x8x2, batch 4");
  ASSERT_EQ(panel.series.size(), points.front().cases.size());
  for (const ChartSeries& series : panel.series) {
    ASSERT_EQ(series.points.size(), 3u);
    EXPECT_EQ(series.points[2].x, 4);
  }
  EXPECT_EQ(panel.series.back().label, "darts architecture, all paths");
  EXPECT_DOUBLE_EQ(
      panel.series.back().points[0].y * 1024 * 1024,
      static_cast<double>(Activations(points[0].cases, "darts architecture", CasePath::kAll)));
}

}  // namespace
}  // namespace nasengine
