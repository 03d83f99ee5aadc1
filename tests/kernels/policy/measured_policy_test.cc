// The policy that fits a machine, and the files in the repository.
// SPDX-License-Identifier: MIT
#include "kernels/policy/measured_policy.h"

#include <gtest/gtest.h>

#include "kernels/conv/depthwise_conv.h"
#include "kernels/core/kernel_policy_file.h"
#include "kernels/register/register_kernels.h"

namespace nasengine {
namespace {

class MeasuredPolicyTest : public ::testing::Test {
 protected:
  std::string CapabilityFor(const std::vector<std::string>& capabilities,
                            std::span<const BuiltinFile> files) const {
    const KernelPolicy policy = ChoosePolicy(capabilities, files, registry_);
    return policy.table() == nullptr ? "none" : policy.table()->capability;
  }
  const KernelRegistry registry_ = MakeCpuRegistry();
};

constexpr BuiltinFile kFiles[] = {{"avx2", "capability avx2\ndevice a\n"},
                                  {"avx512", "capability avx512\ndevice b\n"}};

TEST_F(MeasuredPolicyTest, TakesTheNearestCapabilityBelow) {
  EXPECT_EQ(CapabilityFor({"avx512", "avx2"}, kFiles), "avx512");
  EXPECT_EQ(CapabilityFor({"amx", "avx512", "avx2"}, kFiles), "avx512");
  EXPECT_EQ(CapabilityFor({"avx2"}, kFiles), "avx2");
}

TEST_F(MeasuredPolicyTest, IsTheDefaultOrderBelowAllThatWasMeasured) {
  EXPECT_EQ(CapabilityFor({}, kFiles), "none");
  EXPECT_EQ(CapabilityFor({"sse4"}, kFiles), "none");
}

TEST_F(MeasuredPolicyTest, RefusesAFileUnderAWrongName) {
  const BuiltinFile files[] = {{"avx2", "capability avx512\ndevice a\n"}};
  try {
    CapabilityFor({"avx2"}, files);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "avx2.txt: found capability avx512, expected avx2");
  }
}

TEST_F(MeasuredPolicyTest, EveryFileIsOfThisProgram) {
  ASSERT_FALSE(MeasuredPolicies().empty());
  for (const BuiltinFile& file : MeasuredPolicies()) {
    const std::string capability(file.name);
    const KernelPolicy policy = ChoosePolicy({&capability, 1}, MeasuredPolicies(), registry_);
    ASSERT_NE(policy.table(), nullptr);
    // As the program writes it, so that measuring again changes no more than what changed.
    EXPECT_EQ(KernelPolicyText(*policy.table()), file.text) << capability;
    const auto measured = [&](std::string_view op, ThreadClass threads) {
      return std::ranges::any_of(policy.table()->rows, [&](const KernelPolicyRow& row) {
        return row.op == op && row.threads == threads;
      });
    };
    for (ThreadClass threads : {ThreadClass::kOne, ThreadClass::kMore}) {
      EXPECT_TRUE(measured(DepthwiseConvForward::kName, threads)) << capability;
      EXPECT_TRUE(measured(DepthwiseConvBackwardData::kName, threads)) << capability;
      EXPECT_TRUE(measured(DepthwiseConvBackwardWeights::kName, threads)) << capability;
    }
  }
}

}  // namespace
}  // namespace nasengine
