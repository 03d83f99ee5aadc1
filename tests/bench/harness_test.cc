// The benchmarks' harness: nothing wrong is timed, and contenders are timed in turn.
// SPDX-License-Identifier: MIT
#include "bench/harness.h"

#include "bench/verify.h"
#include "kernels/elementwise/elementwise.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

class VerifyTest : public KernelFixture {
 protected:
  const KernelEntry<Add>& Entry(Impl impl) {
    for (const KernelEntry<Add>& entry : context().registry().Entries<Add>()) {
      if (entry.impl == impl) return entry;
    }
    Throw(ErrorCode::kNotFound, "no such implementation");
  }
};

TEST_F(VerifyTest, PassesARightKernelAndLeavesItsOutputAlone) {
  const Tensor a = RandomTensor({64}, 1), b = RandomTensor({64}, 2), y = Filled({64}, 7);
  const KernelEntry<Add>* ours = &Entry(Impl::kOurs);
  VerifyAgainstReference<Add>(context(), {&ours, 1}, Entry(Impl::kReference),
                              {.a = a, .b = b, .y = y});
  EXPECT_EQ(Get(y, 0), 7);
}

TEST_F(VerifyTest, RefusesAWrongKernel) {
  const Tensor a = RandomTensor({64}, 1), b = RandomTensor({64}, 2), y = Filled({64}, 0);
  KernelEntry<Add> wrong = Entry(Impl::kOurs);
  wrong.run = [right = wrong.run](Context& context, const Add::Args& args) {
    right(context, args);
    args.y.As<float>()[63] *= 1.001f;
  };
  const KernelEntry<Add>* entry = &wrong;
  EXPECT_THROW(VerifyAgainstReference<Add>(context(), {&entry, 1}, Entry(Impl::kReference),
                                           {.a = a, .b = b, .y = y}),
               Error);
}

TEST(HarnessTest, TakesTurnsAndChangesWhoGoesFirst) {
  std::string order;
  const std::vector<Contender> contenders{{"a", [&] { order += 'a'; }},
                                          {"b", [&] { order += 'b'; }}};
  const TimingOptions options{
      .min_rounds = 3, .max_rounds = 3, .min_sample_ms = 0, .before_round = [&](int round) {
        order += round < 0 ? 'w' : '|';
      }};
  TimeInterleaved(contenders, options);
  EXPECT_EQ(order, "waabb|ab|ba|ab");
}

TEST(HarnessTest, SummarisesEveryRoundOfAContender) {
  const std::vector<Contender> contenders{{"nothing", [] {}}, {"more", [] {}}};
  const std::vector<RobustSummary> times =
      TimeInterleaved(contenders, {.min_rounds = 5, .max_rounds = 5, .min_sample_ms = 0});
  ASSERT_EQ(times.size(), 2u);
  for (const RobustSummary& time : times) {
    EXPECT_EQ(time.count, 5);
    EXPECT_GE(time.median, time.min);
  }
}

TEST(HarnessTest, NoiseIsTheRelativeDifference) {
  EXPECT_NEAR(SameAgainstSame({.median = 2}, {.median = 2.1}), 0.05, 1e-12);
  EXPECT_NEAR(SameAgainstSame({.median = 2}, {.median = 1.9}), 0.05, 1e-12);
}

TEST(HarnessTest, RefusesNothingToTime) { EXPECT_THROW(TimeInterleaved({}, {}), Error); }

}  // namespace
}  // namespace nasengine
