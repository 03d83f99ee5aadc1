// SPDX-License-Identifier: MIT
#include "tests/cli/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <utility>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/space_file.h"
#include "tests/support/fake_latency_table.h"
#include "tests/support/tiny_space.h"

namespace nasengine {
namespace {

constexpr char kTinyRecipe[] = R"([recipe]
batch = 32
warmup_epochs = 1
search_epochs = 1
train_epochs = 1
arch_every = 2
arch_start_epoch = 0
validation_fraction = 0.1
calibration_batches = 2
rl_samples = 3
rl_batch = 100
random_samples = 2
)";

void OpenAs(int fd, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (file < 0 || ::dup2(file, fd) < 0) ::_exit(126);
}

}  // namespace

RunningProgram::RunningProgram(const std::vector<std::string>& arguments, const std::string& folder,
                               const std::string& shell_prefix) {
  std::string name = (std::filesystem::temp_directory_path() / "nasengine_cli_XXXXXX").string();
  const int placeholder = ::mkstemp(name.data());
  if (placeholder < 0) Throw(ErrorCode::kIo, name, ": cannot be created");
  ::close(placeholder);
  output_path_ = name;

  const std::string script =
      (shell_prefix.empty() ? "" : shell_prefix + "; ") + std::string("exec \"$0\" \"$@\"");
  std::vector<std::string> words = {"/bin/sh", "-c", script, NASENGINE_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    OpenAs(STDOUT_FILENO, output_path_ + ".out");
    OpenAs(STDERR_FILENO, output_path_ + ".err");
    if (::chdir(folder.c_str()) != 0) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
}

RunningProgram::~RunningProgram() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  for (const char* suffix : {"", ".out", ".err"}) std::filesystem::remove(output_path_ + suffix);
}

void RunningProgram::Signal(int signal) { ::kill(pid_, signal); }

ProgramResult RunningProgram::Wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          .out = ReadFile(output_path_ + ".out"),
          .err = ReadFile(output_path_ + ".err")};
}

ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& folder,
                         const std::string& shell_prefix) {
  return RunningProgram(arguments, folder, shell_prefix).Wait();
}

void ExpectRefusal(const ProgramResult& result, int exit_code,
                   const std::vector<std::string>& parts) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(result.out, "");
  // What was announced before may stand above it.
  const std::size_t at = result.err.rfind("error: ");
  ASSERT_NE(at, std::string::npos) << result.err;
  EXPECT_TRUE(at == 0 || result.err[at - 1] == '\n') << result.err;
  const std::string line = result.err.substr(at);
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << result.err;
  EXPECT_EQ(line.back(), '\n') << result.err;
  for (const std::string& part : parts) {
    EXPECT_NE(line.find(part), std::string::npos) << "no '" << part << "' in: " << line;
  }
}

TinyTask::TinyTask(std::string folder_path)
    : folder(std::move(folder_path)), space(folder + "/tiny.toml"), table(folder + "/table.json") {
  std::ofstream(space) << TinySpaceToml({.input = {12, 12, 1}}) << kTinyRecipe;
  SaveLatencyTable(table, FakeLatencyTable(LoadSpace(space)));
}

std::vector<std::string> TinyTask::Search(const std::vector<std::string>& more) const {
  std::vector<std::string> words = {"search",          "--data", data,        "--space", space,
                                    "--latency-table", table,    "--threads", "1"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace nasengine
