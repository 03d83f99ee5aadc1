// Runs the program as a user does: another process, its output and its exit code.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace nasengine {

struct ProgramResult {
  int exit_code = -1;  // 128 + n where signal n ended it
  std::string out;
  std::string err;
};

// A program that was started and not yet waited for.
class RunningProgram {
 public:
  // `folder` becomes its working folder. A `shell_prefix` such as "ulimit -f 4" comes before it in
  // its shell.
  RunningProgram(const std::vector<std::string>& arguments, const std::string& folder,
                 const std::string& shell_prefix = "");
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  void Signal(int signal);
  ProgramResult Wait();

 private:
  std::string output_path_;
  pid_t pid_ = -1;
};

ProgramResult RunProgram(const std::vector<std::string>& arguments, const std::string& folder = ".",
                         const std::string& shell_prefix = "");

// Failed with this code and one line on stderr that has every one of `parts`; nothing on stdout.
void ExpectRefusal(const ProgramResult& result, int exit_code,
                   const std::vector<std::string>& parts);

// A space of two blocks for 12x12x1 images of 3 classes, and a table for it.
struct TinyTask {
  explicit TinyTask(std::string folder_path);

  std::string folder;
  std::string space;
  std::string table;
  std::string data = "synthetic:12x12x1:3";

  // `search` with these and whatever follows.
  std::vector<std::string> Search(const std::vector<std::string>& more) const;
};

}  // namespace nasengine
