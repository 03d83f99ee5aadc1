// Kernels that report their runs: what they report, that they still compute, and that nothing is
// reported elsewhere.
// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_profile.h"

#include <gtest/gtest.h>

#include "kernels/conv/depthwise_conv.h"
#include "kernels/conv/mbconv.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/loss/softmax_cross_entropy.h"
#include "kernels/norm/batch_norm.h"
#include "kernels/optim/optimizer_step.h"
#include "tests/support/kernel_fixture.h"

namespace nasengine {
namespace {

using std::chrono::milliseconds;
using TimePoint = KernelRecorder::Clock::time_point;

class KernelProfileTest : public KernelFixture {
 protected:
  DepthwiseConvForward::Args Depthwise() {
    x_ = RandomTensor({2, 6, 5, 3}, 1);
    w_ = RandomTensor({3, 3, 3}, 2);
    y_ = Filled({2, 3, 3, 3}, 0);
    return {.geometry =
                {.n = 2, .h = 6, .w = 5, .c_in = 3, .c_out = 3, .kernel = 3, .stride = 2, .pad = 1},
            .x = x_,
            .w = w_,
            .bias = {},
            .y = y_};
  }

  Tensor x_;
  Tensor w_;
  Tensor y_;
};

// Every look at it is a millisecond later.
std::function<TimePoint()> TickingClock() {
  return [now = TimePoint()]() mutable { return now += milliseconds(1); };
}

TEST(ArgsMembersTest, CountsAndVisitsEveryMember) {
  EXPECT_EQ(internal::CountMembers<Add::Args>(), 3u);
  EXPECT_EQ(internal::CountMembers<Dropout::Args>(), 5u);
  EXPECT_EQ(internal::CountMembers<SoftmaxCrossEntropy::Args>(), 6u);
  EXPECT_EQ(internal::CountMembers<AdamStep::Args>(), 7u);
  EXPECT_EQ(internal::CountMembers<BatchNormBackward::Args>(), 11u);
  EXPECT_EQ(internal::CountMembers<MbconvBackward::Args>(), 20u);
  int numbers = 0;
  float sum = 0;
  AdamStep::Args args;
  args.lr = 1;
  args.beta1 = 2;
  args.beta2 = 3;
  args.epsilon = 4;
  args.weight_decay = 5;
  ForEachMember(args, [&](const auto& member) {
    if constexpr (std::is_same_v<decltype(member), const float&>) {
      ++numbers;
      sum += member;
    }
  });
  EXPECT_EQ(numbers, 5);
  EXPECT_EQ(sum, 15.0f);
}

TEST_F(KernelProfileTest, ReportsOperatorImplementationShapeAndBytes) {
  const DepthwiseConvForward::Args depthwise = Depthwise();
  const Tensor a = RandomTensor({7, 2}, 3);
  const std::vector<RecordedWork> recorded = RecordWork(context(), 1, [&](Context& reporting) {
    Dispatch<DepthwiseConvForward>(reporting, depthwise);
    Dispatch<Add>(reporting, {.a = a, .b = a, .y = a});
  });
  ASSERT_EQ(recorded.size(), 1u);
  ASSERT_EQ(recorded[0].runs.size(), 2u);
  const KernelRun& first = recorded[0].runs[0];
  EXPECT_EQ(first.op, "depthwise_conv_forward");
  EXPECT_EQ(first.implementation, "highway");
  EXPECT_EQ(first.shape, "2x6x5x3->3 k3 s2");
  // x, w and y; no bias was given.
  EXPECT_EQ(first.bytes, 4 * (2 * 6 * 5 * 3 + 3 * 3 * 3 + 2 * 3 * 3 * 3));
  const KernelRun& second = recorded[0].runs[1];
  EXPECT_EQ(second.op, "add");
  EXPECT_EQ(second.shape, "7x2");
  EXPECT_EQ(second.bytes, 4 * 3 * 14);
  EXPECT_LE(recorded[0].begin, first.begin);
  EXPECT_LE(first.begin, first.end);
  EXPECT_LE(first.end, second.begin);
  EXPECT_LE(second.end, recorded[0].end);
}

TEST(ForEachViewTest, VisitsViewsWithinStructs) {
  const float number = 0;
  const ConstView five{&number, {5}, DType::kF32};
  MbconvBackward::Args args;
  args.geometry = {.n = 2, .h = 7, .w = 6, .c_in = 3, .expanded = 18, .c_out = 4};
  args.x = five;
  args.project.gamma = five;
  args.depthwise_statistics.inv_std = five;
  EXPECT_EQ(BytesOf(args), 3 * 5 * 4);
  EXPECT_EQ(ShapeOf(args), "2x7x6x3->18->4 k3 s1");
}

TEST(ForEachViewTest, VisitsViewsWithinLists) {
  const float number = 0;
  const ConstView five{&number, {5}, DType::kF32};
  float moved = 0;
  const View three{&moved, {3}, DType::kF32};
  const SgdStep::Args args{
      .lr = 1, .slabs = {{.dw = five, .w = {}, .v = {}}, {.dw = five, .w = three, .v = {}}}};
  EXPECT_EQ(BytesOf(args), (5 + 5 + 3) * 4);
  EXPECT_EQ(ShapeOf(args), "10 weights in 2 slabs");
  struct Inputs {
    int count = 0;
    std::vector<ConstView> inputs;
  };
  EXPECT_EQ(BytesOf(Inputs{2, {five, five}}), (5 + 5) * 4);
}

// Else its time would count twice.
TEST(KernelRecorderTest, AKernelThatRunsOthersIsOneRun) {
  KernelRecorder recorder(TickingClock());
  const auto describe = [](const char* op) { return [op] { return KernelRun{.op = op}; }; };
  const RecordedWork work = recorder.Record([&] {
    recorder.Note([&] { recorder.Note([] {}, describe("inner")); }, describe("outer"));
    recorder.Note([] {}, describe("next"));
  });
  ASSERT_EQ(work.runs.size(), 2u);
  EXPECT_EQ(work.runs[0].op, "outer");
  EXPECT_EQ(work.runs[1].op, "next");
  EXPECT_EQ(work.runs[0].end - work.runs[0].begin, milliseconds(1));
}

TEST_F(KernelProfileTest, ComputesTheSameBits) {
  const DepthwiseConvForward::Args args = Depthwise();
  Dispatch<DepthwiseConvForward>(context(), args);
  const std::vector<float> plain(y_.As<float>(), y_.As<float>() + y_.elements());
  std::fill_n(y_.As<float>(), y_.elements(), 0.0f);
  RecordWork(context(), 1,
             [&](Context& reporting) { Dispatch<DepthwiseConvForward>(reporting, args); });
  EXPECT_EQ(std::vector<float>(y_.As<float>(), y_.As<float>() + y_.elements()), plain);
}

TEST_F(KernelProfileTest, TakesItsTimeFromTheClockItIsGiven) {
  const Tensor a = RandomTensor({4}, 1);
  const std::vector<RecordedWork> recorded = RecordWork(
      context(), 3,
      [&](Context& reporting) {
        Dispatch<Add>(reporting, {.a = a, .b = a, .y = a});
        Dispatch<Add>(reporting, {.a = a, .b = a, .y = a});
      },
      TickingClock());
  ASSERT_EQ(recorded.size(), 3u);
  for (const RecordedWork& work : recorded) {
    ASSERT_EQ(work.runs.size(), 2u);
    for (const KernelRun& run : work.runs) EXPECT_EQ(run.end - run.begin, milliseconds(1));
    EXPECT_EQ(work.end - work.begin, milliseconds(5));
  }
}

TEST_F(KernelProfileTest, ReportsNothingOfADryRun) {
  KernelRecorder recorder;
  const KernelRegistry dry = context().registry().Profiled(recorder).WithoutExecution();
  const std::unique_ptr<Context> sibling = context().Sibling(allocator(), dry);
  const RecordedWork work =
      recorder.Record([&] { Dispatch<DepthwiseConvForward>(*sibling, Depthwise()); });
  EXPECT_TRUE(work.runs.empty());
}

TEST_F(KernelProfileTest, LeavesTheContextItWasGivenAlone) {
  const Tensor a = RandomTensor({4}, 1);
  int called = 0;
  RecordWork(
      context(), 1, [&](Context& reporting) { Dispatch<Add>(reporting, {.a = a, .b = a, .y = a}); },
      [&called] {
        ++called;
        return TimePoint();
      });
  const int before = called;
  EXPECT_GT(before, 0);
  Dispatch<Add>(context(), {.a = a, .b = a, .y = a});
  EXPECT_EQ(called, before);
}

}  // namespace
}  // namespace nasengine
