// What `info --policy` says: every operator that a step asks for, by whom it is served, and why.
// SPDX-License-Identifier: MIT
#include "nas/cli/served_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/mbconv.h"
#include "kernels/conv/mbconv_inference.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

const ServedKernel* Find(const ServedKernels& served, std::string_view op, std::int64_t kernel) {
  const auto found = std::ranges::find_if(served.kernels, [&](const ServedKernel& each) {
    return each.op == op && each.shape.kernel == kernel;
  });
  return found == served.kernels.end() ? nullptr : &*found;
}

TEST(ServedKernelsTest, AsksForEveryCandidateOfASearch) {
  Session session({.threads = 1, .kernels = "vendor,reference"});
  const ServedKernels served = KernelsOfSearch(
      session, TinySpace(), {{.step = PlannedStep::kWeights, .batch = 4}}, DType::kF32);
  const ServedKernel* three = Find(served, DepthwiseConvBackwardWeights::kName, 3);
  const ServedKernel* five = Find(served, DepthwiseConvBackwardWeights::kName, 5);
  ASSERT_NE(three, nullptr);
  ASSERT_NE(five, nullptr);
  EXPECT_EQ(three->shape.stride, 1);
  EXPECT_EQ(three->shape.rows, 4 * 4 * 4);
  EXPECT_EQ(three->choice.served, Impl::kVendor);
  EXPECT_EQ(five->choice.served, Impl::kReference) << "the vendor's takes kernels of 3 only";
  EXPECT_TRUE(std::ranges::is_sorted(served.kernels, {}, &ServedKernel::op));
  const std::string text = ServedKernelsText(served);
  EXPECT_NE(text.find("policy: one order for all operators\n"), std::string::npos) << text;
  EXPECT_NE(text.find("the order for all; vendor does not take it\n"), std::string::npos) << text;
}

TEST(ServedKernelsTest, AsksForATrainingStep) {
  Session session({.threads = 1, .kernels = ""});
  const SearchSpace space = TinySpace();
  const ServedKernels served =
      KernelsOfTraining(session, Derive(space, std::vector{0, 2}), 4, DType::kF32);
  EXPECT_NE(Find(served, MbconvBackward::kName, 3), nullptr);
  EXPECT_EQ(Find(served, MbconvBackward::kName, 5), nullptr);
  EXPECT_NE(Find(served, MbconvInference::kName, KernelShape{}.kernel), nullptr) << "evaluation";
  EXPECT_EQ(session.allocator().stats().active_bytes, 0);
}

TEST(ServedKernelsTest, AsksInTheTypeOfTheSteps) {
  Session session({.threads = 1, .kernels = ""});
  const SearchSpace space = TinySpace();
  const ServedKernels served =
      KernelsOfTraining(session, Derive(space, std::vector{0, 2}), 4, DType::kBf16);
  const ServedKernel* block = Find(served, MbconvBackward::kName, 3);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->shape.dtype, DType::kBf16);
}

TEST(ServedKernelsTest, SaysWhy) {
  const KernelShape small{.kernel = 3, .width = 7, .rows = 49, .c_in = 16, .c_out = 16};
  KernelShape large = small;
  large.rows = 98;
  const KernelPolicy policy(
      {.capability = "avx2",
       .device = "A",
       .vendor = "B 1",
       .threads = 4,
       .rows = {
           {.op = "filter", .shape = small, .order = {Impl::kVendor, Impl::kOurs}, .gain = 1.25}}});
  ServedKernels served{
      .device = "A", .capability = "avx512", .threads = 1, .policy = policy, .kernels = {}};
  for (const KernelShape& shape : {small, large}) {
    served.kernels.push_back({"filter", shape, policy.Choose("filter", shape, 1)});
    served.kernels.back().choice.served = Impl::kVendor;
  }
  served.kernels.push_back({"other", {}, policy.Choose("other", {}, 1)});
  served.kernels.back().choice.served = Impl::kVendor;
  EXPECT_EQ(ServedKernelsText(served), R"(
Kernels on A (avx512), 1 thread
policy: measured on A (avx2), B 1, 4 threads

  operator                        dtype shape                     served by  why
  filter                          f32   k3 s1 w7 49x16            vendor     measured, ours takes 1.25 of the time of vendor
  filter                          f32   k3 s1 w7 98x16            vendor     nearest is k3 s1 w7 49x16, ours takes 1.25 of the time of vendor
  other                           f32   any                       vendor     default order, whatever the shape; ours does not take it
)");
  const nlohmann::ordered_json json = ServedKernelsJson(served);
  EXPECT_EQ(json["policy"]["capability"], "avx2");
  ASSERT_EQ(json["choices"].size(), 3u);
  EXPECT_EQ(json["choices"][2]["served"], "vendor");
  EXPECT_EQ(json["choices"][2]["order"], "ours,vendor,reference");
}

}  // namespace
}  // namespace nasengine
