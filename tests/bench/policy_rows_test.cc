// Measured times become an order only where they differ by more than the noise.
// SPDX-License-Identifier: MIT
#include "bench/policy_rows.h"

#include <gtest/gtest.h>

namespace nasengine {
namespace {

MeasuredChoice Times(double ours_ms, double vendor_ms, double noise) {
  return {.op = "op",
          .shape = {.rows = 7},
          .threads = ThreadClass::kMore,
          .ms = {{Impl::kVendor, vendor_ms}, {Impl::kOurs, ours_ms}},
          .noise = noise};
}

const std::vector<Impl> kOursFirst{Impl::kOurs, Impl::kVendor};
const std::vector<Impl> kVendorFirst{Impl::kVendor, Impl::kOurs};

TEST(PolicyRowsTest, TheFasterComesFirst) {
  const MeasuredChoice measured[] = {Times(1, 2, 0.01), Times(2, 1, 0.01)};
  const std::vector<KernelPolicyRow> rows = DecideRows(measured);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].order, kOursFirst);
  EXPECT_EQ(rows[0].gain, 2);
  EXPECT_EQ(rows[1].order, kVendorFirst);
  EXPECT_EQ(rows[1].gain, 2);
  EXPECT_EQ(rows[1].op, "op");
  EXPECT_EQ(rows[1].shape, KernelShape{.rows = 7});
  EXPECT_EQ(rows[1].threads, ThreadClass::kMore);
}

TEST(PolicyRowsTest, WithinTheNoiseTheDefaultStays) {
  const MeasuredChoice measured[] = {Times(1.04, 1, 0.05)};
  const KernelPolicyRow row = DecideRows(measured).front();
  EXPECT_EQ(row.order, kOursFirst);
  EXPECT_NEAR(row.gain, 1 / 1.04, 1e-12);
  EXPECT_EQ(row.noise, 0.05);
}

TEST(PolicyRowsTest, BeyondTheNoiseItIsDisplaced) {
  const MeasuredChoice measured[] = {Times(1.06, 1, 0.05)};
  EXPECT_EQ(DecideRows(measured).front().order, kVendorFirst);
}

TEST(PolicyRowsTest, ChanceAgreementIsNotTakenForSilence) {
  const MeasuredChoice measured[] = {Times(1.04, 1, 0.0), Times(1, 2, 0.05), Times(1, 2, 0.08)};
  const KernelPolicyRow row = DecideRows(measured).front();
  EXPECT_EQ(row.order, kOursFirst);
  EXPECT_EQ(row.noise, 0.05);
}

TEST(PolicyRowsTest, TheOthersFollowByTime) {
  MeasuredChoice three = Times(1, 3, 0.01);
  three.ms.emplace_back(Impl::kReference, 2);
  EXPECT_EQ(DecideRows(std::span(&three, 1)).front().order,
            (std::vector<Impl>{Impl::kOurs, Impl::kReference, Impl::kVendor}));
}

}  // namespace
}  // namespace nasengine
