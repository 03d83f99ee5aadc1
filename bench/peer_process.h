// Another program that works on request, a line for a line, so that what it does can be timed in
// turn with ours.
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace nasengine {

class PeerProcess {
 public:
  // Starts `command`, found along PATH, with `environment` ("NAME=value") added to ours; its stderr
  // is ours. Throws kNotFound, naming the program, where it cannot be started.
  PeerProcess(std::vector<std::string> command, std::vector<std::string> environment);
  // Ends the program and those that it started, whatever they are doing.
  ~PeerProcess();
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  // Its answer without the end of the line, or nothing where it gave none within `seconds` or has
  // ended.
  std::optional<std::string> Ask(const std::string& line, double seconds);

 private:
  pid_t pid_ = -1;
  int socket_ = -1;
  std::string received_;  // beyond the last answer
};

}  // namespace nasengine
