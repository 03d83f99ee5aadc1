// SPDX-License-Identifier: MIT
#include "nas/cli/run_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <regex>
#include <string>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

namespace fs = std::filesystem;

std::string MessageOf(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// Goes into a folder of its own as long as it lives.
class WorkingFolder {
 public:
  WorkingFolder() : old_(fs::current_path()) { fs::current_path(folder_.path()); }
  ~WorkingFolder() { fs::current_path(old_); }

 private:
  TempDir folder_;
  fs::path old_;
};

TEST(RunFolderTest, NumbersTheRunsOfADay) {
  const WorkingFolder here;
  const RunFolder first({.out = "", .label = "fashion"});
  const RunFolder second({.out = "", .label = "fashion"});
  const std::regex pattern("runs/[0-9]{8}-fashion-([0-9]+)");
  std::smatch match;
  ASSERT_TRUE(std::regex_match(first.path(), match, pattern)) << first.path();
  EXPECT_EQ(match[1], "1");
  ASSERT_TRUE(std::regex_match(second.path(), match, pattern)) << second.path();
  EXPECT_EQ(match[1], "2");
}

TEST(RunFolderTest, MakesTheFoldersAboveAndLeavesNoEmptyOne) {
  const TempDir folder;
  const std::string path = folder / "a/b/run/";
  {
    const RunFolder run({.out = path});
    EXPECT_TRUE(fs::is_directory(path));
    EXPECT_EQ(run.path(), (folder / "a/b/run").string());
  }
  EXPECT_FALSE(fs::exists(path));
  { RunFolder({.out = path}).Write("run.toml", "seed = 1\n"); }
  EXPECT_EQ(ReadFile(folder / "a/b/run/run.toml"), "seed = 1\n");
}

TEST(RunFolderTest, RefusesAFolderThatHoldsSomething) {
  const TempDir folder;
  std::ofstream(folder / "notes.txt") << "mine";
  EXPECT_NE(MessageOf([&] { RunFolder({.out = folder.path()}); }).find("--force"),
            std::string::npos);
  const RunFolder forced({.out = folder.path(), .force = true});
  forced.Write("summary.json", "old");
  forced.RemoveOldResults();
  EXPECT_FALSE(fs::exists(folder / "summary.json"));
  EXPECT_EQ(ReadFile(folder / "notes.txt"), "mine");
}

TEST(RunFolderTest, TakesAnEmptyFolder) {
  const TempDir folder;
  { const RunFolder run({.out = folder.path()}); }
  EXPECT_TRUE(fs::is_directory(folder.path()));
}

TEST(RunFolderTest, NamesFolderAndCause) {
  const TempDir folder;
  std::ofstream(folder / "file") << "x";
  const std::string taken = folder / "file";
  EXPECT_EQ(MessageOf([&] { RunFolder({.out = taken}); }),
            taken + ": cannot make the run folder: a file of that name is there");
  const std::string below = folder / "file/run";
  EXPECT_EQ(MessageOf([&] { RunFolder({.out = below}); }).rfind(below + ": cannot make", 0), 0u);
  // Nobody makes a folder there, not even root.
  EXPECT_EQ(MessageOf([&] { RunFolder({.out = "/proc/run"}); }).rfind("/proc/run: cannot make", 0),
            0u);
}

TEST(RunFolderTest, ListsWhatIsThere) {
  const TempDir folder;
  const RunFolder run({.out = folder.path()});
  EXPECT_EQ(run.Listing(), "");
  run.Write("architecture.json", "{}");
  run.Write("latency.json", "{}");
  EXPECT_EQ(run.Listing(), "latency.json, architecture.json");
}

}  // namespace
}  // namespace nasengine
