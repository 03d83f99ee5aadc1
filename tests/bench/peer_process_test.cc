// A program that answers line by line: answers, silence, endings, and programs that do not exist.
// SPDX-License-Identifier: MIT
#include "bench/peer_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "kernels/core/error.h"
#include "kernels/core/timer.h"

namespace nasengine {
namespace {

constexpr double kSeconds = 20;

PeerProcess Shell(const std::string& script) { return {{"sh", "-c", script}, {"PEER_WORD=blue"}}; }

TEST(PeerProcessTest, AnswersALineForALine) {
  PeerProcess peer = Shell("while read line; do echo \"<$line>\"; done");
  EXPECT_EQ(peer.Ask("one", kSeconds), "<one>");
  const std::string longer(100'000, 'x');
  EXPECT_EQ(peer.Ask(longer, kSeconds), "<" + longer + ">");
  EXPECT_EQ(peer.Ask("two", kSeconds), "<two>");
}

TEST(PeerProcessTest, KeepsWhatIsSaidEarlyForTheNextAnswer) {
  PeerProcess peer = Shell("read line; printf 'a\\nb\\n'; read line");
  EXPECT_EQ(peer.Ask("", kSeconds), "a");
  EXPECT_EQ(peer.Ask("", kSeconds), "b");
}

TEST(PeerProcessTest, SeesTheEnvironmentItIsGivenAndOurs) {
  PeerProcess peer = Shell("read line; echo $PEER_WORD; echo ${PATH:+path}; read line");
  EXPECT_EQ(peer.Ask("", kSeconds), "blue");
  EXPECT_EQ(peer.Ask("", kSeconds), "path");
}

TEST(PeerProcessTest, TellsThatNoAnswerCame) {
  PeerProcess ended = Shell("read line; exit 0");
  EXPECT_EQ(ended.Ask("hello", kSeconds), std::nullopt);
  EXPECT_EQ(ended.Ask("again", kSeconds), std::nullopt);
  PeerProcess silent = Shell("sleep 1000");
  const Timer timer;
  EXPECT_EQ(silent.Ask("hello", 0.05), std::nullopt);
  EXPECT_LT(timer.seconds(), kSeconds);
}

TEST(PeerProcessTest, EndsWithAllThatItStarted) {
  pid_t pid = 0;
  {
    PeerProcess peer = Shell("sleep 1000 & echo $$; wait");
    pid = std::stoi(peer.Ask("", kSeconds).value());
    EXPECT_EQ(::kill(-pid, 0), 0);
  }
  // The group is gone as soon as the system has buried what the program had started.
  const Timer timer;
  while (::kill(-pid, 0) == 0 && timer.seconds() < kSeconds) ::usleep(1000);
  EXPECT_EQ(::kill(-pid, 0), -1);
}

TEST(PeerProcessTest, NamesAProgramThatIsNotThere) {
  try {
    PeerProcess peer({"no-such-program-here"}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_EQ(std::string(error.what()).rfind("no-such-program-here: cannot be started", 0), 0u)
        << error.what();
  }
}

}  // namespace
}  // namespace nasengine
