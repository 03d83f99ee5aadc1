// The program: chooses the command and turns what it throws into one line and an exit code. The
// only place that catches.
// SPDX-License-Identifier: MIT
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "nas/cli/command.h"

namespace nasengine {
namespace {

constexpr Command kCommands[] = {
    {"search", "search a network for your data and this machine", SearchCommand},
    {"train", "train a network and test it", TrainCommand},
    {"eval", "accuracy of a network with its weights", EvalCommand},
    {"predict", "latency of a network or a space by a table, block by block", PredictCommand},
    {"cost", "hours, energy and price of a whole search on this machine", CostCommand},
    {"info", "layers, parameters, MACs and memory of a space or a network", InfoCommand},
};

void PrintHelp(std::FILE* to) {
  std::fputs(
      "Searches neural networks directly on your task and your machine.\n\n"
      "Usage: nasengine COMMAND [FLAGS]\n\nCommands:\n",
      to);
  for (const Command& command : kCommands) {
    std::fprintf(to, "  %-10s%s\n", command.name, command.summary);
  }
  std::fputs(
      "\nExamples:\n"
      "  nasengine search            a first real search, nothing to configure\n"
      "  nasengine search --help     every flag of a command\n"
      "  nasengine --version\n",
      to);
}

int Run(const std::vector<std::string>& words) {
  if (words.empty()) {
    PrintHelp(stderr);
    return kExitUsage;
  }
  const std::string& word = words.front();
  if (word == "--help" || word == "-h" || word == "help") {
    PrintHelp(stdout);
    return kExitDone;
  }
  if (word == "--version") {
    std::puts("nasengine " NASENGINE_VERSION);
    return kExitDone;
  }
  for (const Command& command : kCommands) {
    if (word == command.name) return command.run(Arguments(words).subspan(1));
  }
  std::fprintf(stderr, "error: unknown command '%s' (see nasengine --help)\n", word.c_str());
  return kExitUsage;
}

// A result that cannot be printed is no result.
int Flushed(int code) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  std::perror("error: cannot write to stdout");
  return kExitFailed;
}

}  // namespace
}  // namespace nasengine

int main(int argc, char** argv) {
  try {
    return nasengine::Flushed(nasengine::Run(std::vector<std::string>(argv + 1, argv + argc)));
  } catch (const std::bad_alloc&) {
    std::fputs("error: the system has no memory left\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return nasengine::kExitFailed;
}
