// The program's start on a machine without a CUDA driver, with the real plug-in: one line that
// names the runtime's error where a device is asked for, and nothing of CUDA in memory where none
// is.
//
// A driver without a device (error 100) cannot be had here; tests/cli/device_test.cc emulates it.
// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/core/file_io.h"
#include "tests/cli/program.h"
#include "tests/support/temp_dir.h"

namespace nasengine {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDriver = "libcuda.so.1";

bool HasDriver() { return dlopen(kDriver, RTLD_LAZY | RTLD_LOCAL) != nullptr; }

class CudaStartupTest : public ::testing::Test {
 protected:
  // With the plug-in that lies beside the program. The loader writes down which files it opens.
  ProgramResult Run(const std::vector<std::string>& words, const std::string& environment = "") {
    for (const fs::path& log : LoaderLogs()) fs::remove(log);
    return RunProgram(words, folder_.path(),
                      "unset NASENGINE_CUDA_PLUGIN; export LD_DEBUG=files LD_DEBUG_OUTPUT=" +
                          (folder_ / kLoaderLog).string() + " " + environment);
  }

  // Whether the last run opened a file whose name has `part` in it.
  bool Loaded(const std::string& part) const {
    return std::ranges::any_of(LoaderLogs(), [&](const fs::path& log) {
      return ReadFile(log).find(part) != std::string::npos;
    });
  }

  static void ExpectNoDevice(const ProgramResult& result, const std::string& error) {
    ExpectRefusal(result, 1, {"no CUDA device (" + error + ": "});
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  }

  TempDir folder_;

 private:
  static constexpr const char* kLoaderLog = "loader";

  // The loader adds its process's number to the name.
  std::vector<fs::path> LoaderLogs() const {
    std::vector<fs::path> logs;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      if (entry.path().stem() == kLoaderLog) logs.push_back(entry.path());
    }
    return logs;
  }
};

TEST_F(CudaStartupTest, NoDriverIsOneLine) {
  if (HasDriver()) GTEST_SKIP() << kDriver << " is on this machine";
  const TinyTask task(folder_.path());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"search"}, {"info", "--space", task.space, "--batch", "8"}}) {
    SCOPED_TRACE(words.front());
    std::vector<std::string> on_device = words;
    on_device.insert(on_device.end(), {"--device", "cuda:0"});
    ExpectNoDevice(Run(on_device), "cudaErrorInsufficientDriver");
  }
}

// What a machine has on which programs are built with CUDA and not run.
TEST_F(CudaStartupTest, TheToolkitsStubIsNoDriver) {
  if (HasDriver()) GTEST_SKIP() << kDriver << " is on this machine";
  if (!fs::exists(NASENGINE_CUDA_STUB)) GTEST_SKIP() << "this toolkit has no stub of libcuda";
  fs::create_symlink(NASENGINE_CUDA_STUB, folder_ / kDriver);
  ExpectNoDevice(
      Run({"search", "--device", "cuda:0"},
          "LD_LIBRARY_PATH=" + folder_.path().string() + "${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"),
      "cudaErrorStubLibrary");
}

TEST_F(CudaStartupTest, WorkOnTheCpuLoadsNothingOfCuda) {
  const std::vector<std::string> of_cuda = {"nasengine_cuda.so", "libcuda.so", "libcudnn.so",
                                            "libcublasLt.so"};
  const TinyTask task(folder_.path());
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--help"},
        {"info", "--space", task.space, "--batch", "8"},
        task.Search({"--out", folder_ / "run", "--batch", "8", "--max-steps", "2"})}) {
    SCOPED_TRACE(words.front());
    const ProgramResult result = Run(words);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    ASSERT_TRUE(Loaded("libc.so")) << "the loader wrote nothing down";
    for (const std::string& part : of_cuda) EXPECT_FALSE(Loaded(part)) << part;
  }
  // And with a device, whether or not there is one, the same log has them.
  Run({"search", "--space", task.space, "--device", "cuda:99"});
  for (const std::string& part : of_cuda) EXPECT_TRUE(Loaded(part)) << part;
}

}  // namespace
}  // namespace nasengine
