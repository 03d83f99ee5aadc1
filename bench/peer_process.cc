// SPDX-License-Identifier: MIT
#include "bench/peer_process.h"

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "kernels/core/error.h"
#include "kernels/core/timer.h"

namespace nasengine {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

PeerProcess::PeerProcess(std::vector<std::string> command, std::vector<std::string> environment) {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  int ends[2];
  NAS_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, command.front(),
            ": no socket pair: ", std::strerror(errno));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  // A group of its own, so that what the program starts ends with it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  const int error = ::posix_spawnp(&pid_, command.front().c_str(), &actions, &attributes,
                                   Pointers(command).data(), Pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  socket_ = ends[0];
  if (error == 0) return;
  ::close(socket_);
  Throw(ErrorCode::kNotFound, command.front(), ": cannot be started: ", std::strerror(error));
}

PeerProcess::~PeerProcess() {
  ::close(socket_);
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::optional<std::string> PeerProcess::Ask(const std::string& line, double seconds) {
  const std::string sent = line + "\n";
  for (std::size_t done = 0; done < sent.size();) {
    const ssize_t count = ::send(socket_, sent.data() + done, sent.size() - done, MSG_NOSIGNAL);
    if (count <= 0) return std::nullopt;
    done += static_cast<std::size_t>(count);
  }
  const Timer timer;
  for (;;) {
    if (const std::size_t end = received_.find('\n'); end != std::string::npos) {
      std::string answer = received_.substr(0, end);
      received_.erase(0, end + 1);
      return answer;
    }
    const double left_ms = 1e3 * (seconds - timer.seconds());
    pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
    if (left_ms <= 0 || ::poll(&wait, 1, static_cast<int>(left_ms) + 1) <= 0) return std::nullopt;
    char buffer[4096];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) return std::nullopt;
    received_.append(buffer, static_cast<std::size_t>(count));
  }
}

}  // namespace nasengine
