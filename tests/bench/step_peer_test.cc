// Steps on request from another process: taken, refused, broken off.
// SPDX-License-Identifier: MIT
#include "bench/step_peer.h"

#include <gtest/gtest.h>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

StepPeer Shell(const std::string& script) { return {{"sh", "-c", script}, {}, "request"}; }

TEST(StepPeerTest, TakesStepsAndTellsItsPeak) {
  StepPeer peer = Shell(
      "read line; [ $line = request ] && echo ready 2.8.0; peak=40\n"
      "while read line; do case $line in\n"
      "  step) peak=$((peak + 1)); echo done;;\n"
      "  peak) echo ${peak}000000000;;\n"
      "esac; done");
  EXPECT_EQ(peer.version(), "2.8.0");
  EXPECT_TRUE(peer.Step());
  EXPECT_TRUE(peer.Step());
  EXPECT_EQ(peer.PeakBytes(), 42'000'000'000);
}

TEST(StepPeerTest, TellsWhyThereIsNoStep) {
  try {
    Shell("read line; echo no PyTorch: not here");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_STREQ(error.what(), "no PyTorch: not here");
  }
  EXPECT_THROW(Shell("exit 1"), Error);
  EXPECT_THROW(StepPeer({"no-such-program-here"}, {}, "request"), Error);
}

TEST(StepPeerTest, HasNoPeakOnceItHasEnded) {
  StepPeer peer = Shell("read line; echo ready 1; read line; echo done; read line");
  EXPECT_TRUE(peer.Step());
  EXPECT_FALSE(peer.Step());
  EXPECT_EQ(peer.PeakBytes(), std::nullopt);
}

}  // namespace
}  // namespace nasengine
