// Policy files: what is read back is what was written, and what is wrong is refused with its line.
// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_policy_file.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nasengine {
namespace {

struct Filter {
  static constexpr const char* kName = "filter";
  struct Args {
    ConstView x;
    View y;
  };
  static std::vector<View*> Outputs(Args&) { return {}; }
  static double ErrorScale(const Args&, int) { return 0; }
};

KernelRegistry OursAndVendor() {
  KernelRegistry registry;
  for (Impl impl : {Impl::kOurs, Impl::kVendor}) {
    KernelEntry<Filter> entry;
    entry.impl = impl;
    entry.name = Name(impl);
    registry.Register(std::move(entry));
  }
  return registry;
}

constexpr std::string_view kHead = "capability avx512\ndevice A CPU @ 2 GHz\n";
constexpr std::string_view kRow = "filter f32 1 3 1 56 50176 144 144 vendor,ours 1.25 0.010\n";

KernelPolicyTable Parse(const std::string& text) {
  return ParseKernelPolicy(text, "p.txt", OursAndVendor());
}

std::string MessageOf(const std::string& text) {
  try {
    Parse(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "accepted";
}

// Of the third line, `row`.
std::string RowMessage(const std::string& row) { return MessageOf(StrCat(kHead, row, "\n")); }

TEST(KernelPolicyFileTest, ReadsEveryColumn) {
  const KernelPolicyTable table =
      Parse(StrCat("# a comment\n\n", kHead, "vendor a library 1.0\nthreads 4\n", kRow,
                   "  filter  bf16 more 5 2 7 1 2 3   ours,vendor 0.99 0.5"));
  EXPECT_EQ(table.capability, "avx512");
  EXPECT_EQ(table.device, "A CPU @ 2 GHz");
  EXPECT_EQ(table.vendor, "a library 1.0");
  EXPECT_EQ(table.threads, 4);
  ASSERT_EQ(table.rows.size(), 2u);
  const KernelPolicyRow& first = table.rows[0];
  EXPECT_EQ(first.op, "filter");
  EXPECT_EQ(first.shape, (KernelShape{DType::kF32, 3, 1, 56, 50176, 144, 144}));
  EXPECT_EQ(first.threads, ThreadClass::kOne);
  EXPECT_EQ(first.order, (std::vector<Impl>{Impl::kVendor, Impl::kOurs}));
  EXPECT_EQ(first.gain, 1.25);
  EXPECT_EQ(first.noise, 0.01);
  const KernelPolicyRow& second = table.rows[1];
  EXPECT_EQ(second.shape, (KernelShape{DType::kBf16, 5, 2, 7, 1, 2, 3}));
  EXPECT_EQ(second.threads, ThreadClass::kMore);
}

TEST(KernelPolicyFileTest, WritesTheSameTextForTheSameRowsInAnyOrder) {
  KernelPolicyTable table = Parse(StrCat(kHead, "vendor v\n", kRow,
                                         "filter f32 more 3 1 56 50176 144 144 ours,vendor 2 0\n",
                                         "filter bf16 1 3 1 56 50176 144 144 ours,vendor 2 0\n",
                                         "filter f32 1 3 1 7 50176 144 144 ours,vendor 2 0\n"));
  const std::string text = KernelPolicyText(table);
  std::ranges::reverse(table.rows);
  EXPECT_EQ(KernelPolicyText(table), text);
  EXPECT_EQ(KernelPolicyText(Parse(text)), text);
  const KernelPolicyTable back = Parse(text);
  ASSERT_EQ(back.rows.size(), 4u);
  EXPECT_EQ(back.rows[0].shape.dtype, DType::kBf16);
  EXPECT_EQ(back.rows[1].shape.width, 7);
  EXPECT_EQ(back.rows[2].order.front(), Impl::kVendor);
  EXPECT_EQ(back.rows[3].threads, ThreadClass::kMore);
}

TEST(KernelPolicyFileTest, RefusesWrongRowsWithTheirPlace) {
  EXPECT_EQ(RowMessage("filter f32 1 3 1 56 50176 144 144 vendor,ours 1.25"),
            "p.txt:3: found 11 words, expected 12: operator dtype threads kernel stride width rows "
            "c_in c_out order gain noise");
  EXPECT_EQ(RowMessage("filter f64 1 3 1 56 50176 144 144 vendor,ours 1.25 0"),
            "p.txt:3: found 'f64', expected f32 or bf16");
  EXPECT_EQ(RowMessage("filter f32 2 3 1 56 50176 144 144 vendor,ours 1.25 0"),
            "p.txt:3: found '2', expected 1 or more");
  EXPECT_EQ(RowMessage("filter f32 1 3 1 56 50176 0 144 vendor,ours 1.25 0"),
            "p.txt:3: found '0', expected a whole number from 1");
  EXPECT_EQ(RowMessage("filter f32 1 3x 1 56 50176 1 144 vendor,ours 1.25 0"),
            "p.txt:3: found '3x', expected a whole number from 1");
  EXPECT_EQ(RowMessage("filter f32 1 3 1 56 50176 1 144 vendor,ours nan 0"),
            "p.txt:3: found 'nan', expected a number from 0");
  EXPECT_EQ(RowMessage("filter f32 1 3 1 56 50176 1 144 vendor 1 0"),
            "p.txt:3: found 'vendor', expected two implementations or more");
  EXPECT_EQ(MessageOf(StrCat(kHead, kRow, "# once more\n", kRow)),
            "p.txt:5: found the same operator, threads and shape again, expected them once");
}

TEST(KernelPolicyFileTest, RefusesWhatTheProgramDoesNotHave) {
  EXPECT_EQ(RowMessage("filter f32 1 3 1 56 50176 1 144 vendor,theirs 1 0"),
            "p.txt:3: found 'theirs' in 'vendor,theirs', expected a list of ours, vendor, "
            "reference");
  EXPECT_EQ(RowMessage("filter f32 1 3 1 56 50176 1 144 vendor,reference 1 0"),
            "p.txt:3: found 'filter' by reference, expected an operator and an implementation that "
            "this program has");
  EXPECT_EQ(RowMessage("fliter f32 1 3 1 56 50176 1 144 vendor,ours 1 0"),
            "p.txt:3: found 'fliter' by vendor, expected an operator and an implementation that "
            "this program has");
}

TEST(KernelPolicyFileTest, RefusesAWrongHead) {
  EXPECT_EQ(MessageOf("capability\n"), "p.txt:1: found 'capability', expected a value after it");
  EXPECT_EQ(MessageOf("threads none\n"), "p.txt:1: found 'none', expected a whole number from 1");
  EXPECT_EQ(MessageOf("device x\n"),
            "p.txt:1: found the end, expected capability and device before it");
}

}  // namespace
}  // namespace nasengine
