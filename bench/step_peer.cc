// SPDX-License-Identifier: MIT
#include "bench/step_peer.h"

#include <utility>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Importing and compiling take their time; a step that takes as long is not worth waiting for.
constexpr double kMostSeconds = 240;

}  // namespace

StepPeer::StepPeer(std::vector<std::string> command, std::vector<std::string> environment,
                   const std::string& request)
    : process_(std::move(command), std::move(environment)) {
  const std::string ready = "ready ";
  const std::string hello = process_.Ask(request, kMostSeconds).value_or("no answer");
  if (!hello.starts_with(ready)) Throw(ErrorCode::kUnsupported, hello);
  version_ = hello.substr(ready.size());
}

bool StepPeer::Step() {
  answers_ = answers_ && process_.Ask("step", kMostSeconds).has_value();
  return answers_;
}

std::optional<std::int64_t> StepPeer::PeakBytes() {
  if (!answers_) return std::nullopt;
  const std::optional<std::string> answer = process_.Ask("peak", kMostSeconds);
  if (!answer) return std::nullopt;
  return std::stoll(*answer);
}

}  // namespace nasengine
