// What a command of the program is: a name, a line about it, and a function. main.cc holds the
// table.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>

namespace nasengine {

// What follows the command's name.
using Arguments = std::span<const std::string>;

// Exit codes of the program.
inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

struct Command {
  const char* name;
  const char* summary;
  // Returns an exit code; throws Error for what failed.
  int (*run)(Arguments arguments);
};

int SearchCommand(Arguments arguments);
int TrainCommand(Arguments arguments);
int EvalCommand(Arguments arguments);
int CostCommand(Arguments arguments);
int InfoCommand(Arguments arguments);
int PredictCommand(Arguments arguments);

}  // namespace nasengine
