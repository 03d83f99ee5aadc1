// The order of implementations: by default, as given, and as measured for the nearest shape.
// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_policy.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr KernelShape kShape{
    .kernel = 3, .stride = 1, .width = 14, .rows = 3136, .c_in = 480, .c_out = 480};
const std::vector<Impl> kDefault{Impl::kOurs, Impl::kVendor, Impl::kReference};
const std::vector<Impl> kVendorFirst{Impl::kVendor, Impl::kOurs};
const std::vector<Impl> kOursFirst{Impl::kOurs, Impl::kVendor};

KernelPolicyRow Row(const KernelShape& shape, std::vector<Impl> order) {
  return {.op = "op", .shape = shape, .threads = ThreadClass::kOne, .order = std::move(order)};
}

KernelPolicy PolicyOf(std::vector<KernelPolicyRow> rows) {
  KernelPolicyTable table;
  table.rows = std::move(rows);
  return KernelPolicy(std::move(table));
}

std::string MessageOf(std::string_view order) {
  try {
    KernelPolicy::Parse(order);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(KernelPolicyTest, TriesOursFirstWhereNothingIsSaid) {
  const KernelChoice choice = KernelPolicy().Choose("op", kShape, 1);
  EXPECT_EQ(choice.order, kDefault);
  EXPECT_EQ(choice.row, nullptr);
}

TEST(KernelPolicyTest, AGivenOrderIsForAllAndLeavesOutWhatItDoesNotName) {
  const KernelPolicy policy = KernelPolicy::Parse("reference,vendor");
  EXPECT_EQ(policy.Choose("op", kShape, 1).order,
            (std::vector<Impl>{Impl::kReference, Impl::kVendor}));
  EXPECT_EQ(policy.table(), nullptr);
}

TEST(KernelPolicyTest, RefusesUnknownAndRepeatedNames) {
  EXPECT_EQ(MessageOf("ours,theirs"),
            "kernels: found 'theirs' in 'ours,theirs', expected a list of ours, vendor, reference");
  EXPECT_EQ(MessageOf("ours,ours"), "kernels: found 'ours' twice in 'ours,ours', expected it once");
  EXPECT_EQ(MessageOf("").rfind("kernels: found ''", 0), 0u);
}

TEST(KernelPolicyTest, AMeasuredOrderComesBeforeTheRestOfTheDefault) {
  const KernelPolicy policy = PolicyOf({Row(kShape, kVendorFirst)});
  const KernelChoice choice = policy.Choose("op", kShape, 1);
  EXPECT_EQ(choice.order, (std::vector<Impl>{Impl::kVendor, Impl::kOurs, Impl::kReference}));
  ASSERT_NE(choice.row, nullptr);
  EXPECT_EQ(choice.row->shape, kShape);
}

TEST(KernelPolicyTest, SizesAreComparedByTheirRatio) {
  // 100 channels are nearer to 160 than to 50 as a ratio, and nearer to 50 as a difference.
  KernelShape few = kShape, many = kShape, asked = kShape;
  few.c_in = few.c_out = 50;
  many.c_in = many.c_out = 160;
  asked.c_in = asked.c_out = 100;
  const KernelPolicy policy = PolicyOf({Row(few, kOursFirst), Row(many, kVendorFirst)});
  EXPECT_EQ(policy.Choose("op", asked, 1).order.front(), Impl::kVendor);
  EXPECT_EQ(policy.Choose("op", asked, 1).row->shape, many);
}

TEST(KernelPolicyTest, TheKernelDecidesBeforeTheSizes) {
  KernelShape other_kernel = kShape, other_size = kShape;
  other_kernel.kernel = 5;
  other_size.rows *= 1000;
  const KernelPolicy policy =
      PolicyOf({Row(other_kernel, kOursFirst), Row(other_size, kVendorFirst)});
  EXPECT_EQ(policy.Choose("op", kShape, 1).row->shape, other_size);
}

TEST(KernelPolicyTest, TheFirstOfEquallyNearRowsDecides) {
  KernelShape half = kShape, twice = kShape;
  half.rows /= 2;
  twice.rows *= 2;
  EXPECT_EQ(PolicyOf({Row(half, kOursFirst), Row(twice, kVendorFirst)})
                .Choose("op", kShape, 1)
                .row->shape,
            half);
}

TEST(KernelPolicyTest, AnEmptyBatchHasANearestRowToo) {
  KernelShape empty = kShape;
  empty.rows = 0;
  EXPECT_EQ(PolicyOf({Row(kShape, kVendorFirst)}).Choose("op", empty, 1).order.front(),
            Impl::kVendor);
}

TEST(KernelPolicyTest, AnotherOperatorDtypeOrThreadClassSaysNothing) {
  const KernelPolicy policy = PolicyOf({Row(kShape, kVendorFirst)});
  KernelShape bf16 = kShape;
  bf16.dtype = DType::kBf16;
  EXPECT_EQ(policy.Choose("op2", kShape, 1).order, kDefault);
  EXPECT_EQ(policy.Choose("op", bf16, 1).order, kDefault);
  EXPECT_EQ(policy.Choose("op", kShape, 2).order, kDefault);
  EXPECT_EQ(policy.Choose("op", kShape, 2).row, nullptr);
}

TEST(KernelPolicyTest, ManyThreadsShareAClass) {
  KernelPolicyRow row = Row(kShape, kVendorFirst);
  row.threads = ThreadClass::kMore;
  const KernelPolicy policy = PolicyOf({row});
  EXPECT_EQ(policy.Choose("op", kShape, 1).order, kDefault);
  EXPECT_EQ(policy.Choose("op", kShape, 2).order.front(), Impl::kVendor);
  EXPECT_EQ(policy.Choose("op", kShape, 64).order.front(), Impl::kVendor);
}

TEST(KernelPolicyTest, AnOrderOfItsOwnYieldsToMeasurements) {
  KernelPolicy policy = PolicyOf({Row(kShape, {Impl::kReference, Impl::kOurs})});
  policy.SetOrder("op", {Impl::kVendor});
  policy.SetOrder("op2", {Impl::kVendor});
  EXPECT_EQ(policy.Choose("op", kShape, 1).order.front(), Impl::kReference);
  EXPECT_EQ(policy.Choose("op2", kShape, 1).order,
            (std::vector{Impl::kVendor, Impl::kOurs, Impl::kReference}));
  EXPECT_EQ(policy.Choose("op3", kShape, 1).order, kDefault);
}

TEST(KernelChoicesTest, AnswersEveryQuestionOnce) {
  const KernelPolicy policy = PolicyOf({Row(kShape, kVendorFirst)});
  constexpr const char* kOp = "op";
  KernelChoices choices;
  KernelChoice& first = choices.Get(policy, 1, {kOp, kShape});
  first.served = Impl::kVendor;
  // Another policy is no longer asked.
  EXPECT_EQ(&choices.Get(KernelPolicy(), 1, {kOp, kShape}), &first);
  KernelShape other = kShape;
  other.c_out += 1;
  EXPECT_NE(&choices.Get(policy, 1, {kOp, other}), &first);
  EXPECT_EQ(choices.made().size(), 2u);
}

}  // namespace
}  // namespace nasengine
