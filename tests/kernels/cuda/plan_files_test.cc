// Plans on disk: what comes back, and what is taken for nothing.
// SPDX-License-Identifier: MIT
#include "kernels/cuda/plan_files.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "kernels/core/file_io.h"
#include "tests/support/temp_dir.h"

namespace nasengine::cuda {
namespace {

constexpr const char* kKey = "cudnn 91900 | NVIDIA H200 | forward f32 8x28x28x144->144 k5 s2";

class PlanFilesTest : public ::testing::Test {
 protected:
  // A folder that does not exist yet.
  std::string Folder() const { return (dir_ / "cache" / "nasengine").string(); }

  TempDir dir_;
};

TEST_F(PlanFilesTest, GiveBackWhatWasStored) {
  PlanFiles files(Folder());
  EXPECT_EQ(files.Load(kKey), std::nullopt);
  for (const std::string text : {"{\"plan\": 1}", "", "lines\n\nof text\n", "\n"}) {
    files.Store(kKey, text);
    EXPECT_EQ(PlanFiles(Folder()).Load(kKey), text);
  }
  EXPECT_EQ(files.Load(std::string(kKey) + "2"), std::nullopt);
}

TEST_F(PlanFilesTest, TakeADamagedFileForNone) {
  PlanFiles files(Folder());
  files.Store(kKey, "{\"plan\": 1}");
  const std::string good = ReadFile(files.Path(kKey));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    WriteFileAtomically(files.Path(kKey), changed);
    EXPECT_EQ(files.Load(kKey), std::nullopt) << "byte " << i;
    WriteFileAtomically(files.Path(kKey), good.substr(0, i));
    EXPECT_EQ(files.Load(kKey), std::nullopt) << "cut at " << i;
  }
  WriteFileAtomically(files.Path(kKey), good + " ");
  EXPECT_EQ(files.Load(kKey), std::nullopt);
  files.Store(kKey, "new");
  EXPECT_EQ(files.Load(kKey), "new");
}

// As if two keys had one digest.
TEST_F(PlanFilesTest, TakeAnotherKeysFileForNone) {
  PlanFiles files(Folder());
  files.Store("another", "text");
  WriteFileAtomically(files.Path(kKey), ReadFile(files.Path("another")));
  EXPECT_EQ(files.Load(kKey), std::nullopt);
}

TEST_F(PlanFilesTest, WithoutAFolderKeepNothing) {
  PlanFiles files("");
  files.Store(kKey, "text");
  EXPECT_EQ(files.Load(kKey), std::nullopt);
}

TEST_F(PlanFilesTest, AFolderThatCannotBeMadeIsNoError) {
  WriteFileAtomically((dir_ / "file").string(), "");
  PlanFiles files((dir_ / "file" / "cache").string());
  EXPECT_NO_THROW(files.Store(kKey, "text"));
  EXPECT_EQ(files.Load(kKey), std::nullopt);
}

TEST_F(PlanFilesTest, UsualFolderIsTheUsersOrInHisHome) {
  const auto with = [](const char* cache, const char* home) {
    setenv("NASENGINE_CACHE", cache, 1);
    setenv("HOME", home, 1);
    return PlanFiles::UsualFolder();
  };
  EXPECT_EQ(with("/somewhere", "/home/me"), "/somewhere");
  EXPECT_EQ(with("", "/home/me"), "/home/me/.cache/nasengine");
  EXPECT_EQ(with("", ""), "");
}

}  // namespace
}  // namespace nasengine::cuda
