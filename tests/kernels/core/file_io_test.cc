// Whole-file reading and atomic writing: what is left behind when something goes wrong.
// SPDX-License-Identifier: MIT
#include "kernels/core/file_io.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

class FileIoTest : public testing::Test {
 protected:
  FileIoTest() {
    folder_ = testing::TempDir() + "/nas_file_io_" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~FileIoTest() override { std::filesystem::remove_all(folder_); }

  size_t FileCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  std::string folder_;
};

ErrorCode CodeOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kUnsupported;
}

TEST_F(FileIoTest, WritesEveryByteAndReplaces) {
  const std::string path = folder_ + "/file";
  std::string bytes(200001, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31);
  WriteFileAtomically(path, bytes);
  EXPECT_EQ(ReadFile(path), bytes);
  WriteFileAtomically(path, "");
  EXPECT_EQ(ReadFile(path), "");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(FileIoTest, NamesTheFileAndTheCause) {
  const std::string path = folder_ + "/no/such";
  EXPECT_EQ(CodeOf([&] { ReadFile(path); }), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf([&] { ReadFile(folder_); }), ErrorCode::kIo);
  try {
    WriteFileAtomically(path, "x");
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_EQ(std::string(error.what()),
              path + ": cannot write the file: No such file or directory");
  }
}

TEST_F(FileIoTest, AFailedWriteLeavesNothingBehind) {
  // The rename fails since the target is a folder that is not empty.
  const std::string path = folder_ + "/target";
  std::filesystem::create_directories(path + "/inside");
  EXPECT_EQ(CodeOf([&] { WriteFileAtomically(path, "x"); }), ErrorCode::kIo);
  EXPECT_EQ(FileCount(), 1u);
}

}  // namespace
}  // namespace nasengine
