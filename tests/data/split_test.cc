// The held-out split: complete, disjoint, stratified, and a function of the seed.
// SPDX-License-Identifier: MIT
#include "data/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/data/idx_files.h"

namespace nasengine {
namespace {

// Labels alone; images of one pixel.
class LabelsOnly final : public Dataset {
 public:
  LabelsOnly(std::vector<std::int32_t> labels, int classes)
      : labels_(std::move(labels)), classes_(classes) {}
  const std::string& name() const override { return name_; }
  std::int64_t size() const override { return static_cast<std::int64_t>(labels_.size()); }
  ImageShape image_shape() const override { return {1, 1, 1}; }
  int classes() const override { return classes_; }
  std::int32_t label(std::int64_t index) const override {
    return labels_.at(static_cast<std::size_t>(index));
  }
  void ReadImage(std::int64_t, std::span<std::uint8_t> hwc) const override { hwc[0] = 0; }

 private:
  std::string name_ = "labels";
  std::vector<std::int32_t> labels_;
  int classes_;
};

// Class 0 has 50 images, class 1 has 30, class 2 none, class 3 has 21.
LabelsOnly Uneven() {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 101; ++i) labels.push_back(i % 2 == 0 && i < 100 ? 0 : i < 60 ? 1 : 3);
  return LabelsOnly(labels, 4);
}

std::vector<int> Counts(const Dataset& set, const std::vector<std::int32_t>& indices) {
  std::vector<int> counts(static_cast<std::size_t>(set.classes()));
  for (const std::int32_t i : indices) ++counts[static_cast<std::size_t>(set.label(i))];
  return counts;
}

TEST(SplitTest, IsCompleteDisjointAndAscending) {
  const LabelsOnly set = Uneven();
  for (const std::int64_t held_out : {0, 1, 10, 50, 100, 101}) {
    const Split split = StratifiedSplit(set, held_out, 7);
    EXPECT_EQ(static_cast<std::int64_t>(split.architecture.size()), held_out);
    EXPECT_TRUE(std::is_sorted(split.weights.begin(), split.weights.end()));
    EXPECT_TRUE(std::is_sorted(split.architecture.begin(), split.architecture.end()));
    std::vector<std::int32_t> all = split.weights;
    all.insert(all.end(), split.architecture.begin(), split.architecture.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, AllIndices(set));
  }
}

TEST(SplitTest, HoldsOutEveryClassByItsShare) {
  const LabelsOnly set = Uneven();
  ASSERT_EQ(Counts(set, AllIndices(set)), (std::vector<int>{50, 30, 0, 21}));
  // Shares of 20: 9.90, 5.94, 0, 4.16; the two largest remainders are rounded up.
  EXPECT_EQ(Counts(set, StratifiedSplit(set, 20, 1).architecture), (std::vector<int>{10, 6, 0, 4}));
}

TEST(SplitTest, DependsOnTheSeedAlone) {
  const LabelsOnly set = Uneven();
  EXPECT_EQ(StratifiedSplit(set, 40, 1).architecture, StratifiedSplit(set, 40, 1).architecture);
  EXPECT_NE(StratifiedSplit(set, 40, 1).architecture, StratifiedSplit(set, 40, 2).architecture);
}

TEST(SplitTest, DrawsEveryClassByItself) {
  std::vector<std::int32_t> labels(200);
  std::fill(labels.begin() + 100, labels.end(), 1);
  const Split split = StratifiedSplit(LabelsOnly(labels, 2), 60, 1);
  std::vector<std::int32_t> first(split.architecture.begin(), split.architecture.begin() + 30);
  for (std::int32_t& index : first) index += 100;
  EXPECT_NE(first,
            std::vector<std::int32_t>(split.architecture.begin() + 30, split.architecture.end()));
}

TEST(SplitTest, RefusesToHoldOutMoreThanThereIs) {
  const LabelsOnly set = Uneven();
  ExpectError(ErrorCode::kInvalidArgument, {"labels", "102", "101"},
              [&] { StratifiedSplit(set, 102, 1); });
  ExpectError(ErrorCode::kInvalidArgument, {"-1"}, [&] { StratifiedSplit(set, -1, 1); });
}

// Class 0 has 50 images, class 1 has 30, class 2 has 21.
LabelsOnly ThreeClasses() {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 101; ++i) labels.push_back(i < 50 ? 0 : i < 80 ? 1 : 2);
  return LabelsOnly(labels, 3);
}

TEST(SplitTest, EqualSplitTakesAsManyOfEveryClass) {
  const LabelsOnly set = ThreeClasses();
  EXPECT_EQ(Counts(set, EqualSplit(set, 30, 0).architecture), (std::vector<int>{10, 10, 10}));
  EXPECT_EQ(Counts(set, EqualSplit(set, 32, 0).architecture), (std::vector<int>{11, 11, 10}));
  const Split split = EqualSplit(set, 60, 3);
  EXPECT_EQ(Counts(set, split.weights), (std::vector<int>{30, 10, 1}));
  std::vector<std::int32_t> all = split.weights;
  all.insert(all.end(), split.architecture.begin(), split.architecture.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, AllIndices(set));
  EXPECT_NE(EqualSplit(set, 60, 4).architecture, split.architecture);
  ExpectError(ErrorCode::kInvalidArgument, {"class 2 has 21 images", "expected 22"},
              [&] { EqualSplit(set, 66, 0); });
}

}  // namespace
}  // namespace nasengine
