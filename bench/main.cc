// The benchmarks as one program: chooses one by name and turns what it throws into one line.
// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "bench/commands.h"
#include "bench/step_server.h"
#include "nas/config/machine.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;
using Benchmark = Json (*)(const BenchOptions&);

struct Command {
  const char* name;
  const char* summary;
  Benchmark run;
  std::vector<std::string> peers{};
};

Json BenchAll(const BenchOptions& options) {
  Json document = {{"benchmark", "all"}};
  document["kernels"] = BenchKernels(options);
  document["step"] = BenchStep(options);
  document["memory"] = BenchMemory(options);
  document["inference"] = BenchInference(options);
  return document;
}

const Command kCommands[] = {
    {"kernels", "every operator against the vendor's and the machine's limit", BenchKernels},
    {"step",
     "time and memory of a search's steps, and of a step of all paths",
     BenchStep,
     {"pytorch"}},
    {"memory", "memory of one path against all, as candidates are added", BenchMemory, {"pytorch"}},
    {"inference",
     "the published networks as shipped, on one thread and on all",
     BenchInference,
     {"onnxruntime"}},
    {"search-table", "searches on a table of trained networks, over many seeds", BenchTable},
    {"all", "kernels, step, memory and inference", BenchAll, {"pytorch", "onnxruntime"}},
};

// What is wrong with a value, or nothing: CLI11 makes it wrong usage.
std::string CheckRegex(const std::string& text) {
  try {
    std::regex{text};
  } catch (const std::regex_error&) {
    return "'" + text + "' is no regular expression";
  }
  return {};
}

std::string CheckCount(const std::string& text) {
  const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
  if (digits && text.find_first_not_of('0') != std::string::npos) return {};
  return "found '" + text + "', expected 1 or more";
}

void AddOptions(CLI::App& command, const std::vector<std::string>& peers, BenchOptions& options) {
  command.add_option("--filter", options.filter, "run rows whose name contains this expression")
      ->check(CheckRegex);
  command.add_flag("--json", options.json, "print one JSON document instead of tables");
  command.add_option("--threads", options.threads, "OpenMP threads (default: all cores)")
      ->check(CheckCount);
  command.add_flag("--reference", options.reference, "kernels: time the plain f64 loops too");
  command.add_option("--space", options.spaces, "step, memory: a space's name or file");
  command.add_option("--batch", options.batch, "step, memory, inference: images of a batch")
      ->check(CheckCount);
  command.add_option("--dtype", options.dtype, "step, memory: f32 (default) or bf16")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, DType>{{"f32", DType::kF32}, {"bf16", DType::kBf16}}));
  command.add_option("--rounds", options.rounds, "rounds to take the median of")->check(CheckCount);
  command.add_option("--svg", options.svg, "memory: a picture of it, such as memory.svg");
  CLI::Option* profile = command.add_flag("--profile-step", options.profile_step,
                                          "step: show where the time goes, operator by operator");
  command
      .add_option("--trace", options.trace,
                  "step: with --profile-step, a trace for ui.perfetto.dev, such as trace.json")
      ->needs(profile);
  if (!peers.empty()) {
    CLI::Option* peer =
        command.add_option("--peer", options.peer, "compare with another framework")
            ->check(CLI::IsMember(peers))
            ->excludes(profile);
    command.add_option("--python", options.python, "the Python that has it (python3)")->needs(peer);
  }
  command.add_option("--write-policy", options.write_policy,
                     "kernels: time what has a choice, write kernels/policy/CAPABILITY.txt");
  command.add_option("--table", options.table, "search-table: nasbench201_accuracy.csv");
}

int Run(int argc, char** argv) {
  CLI::App app("Benchmarks of nasengine.", "nasengine bench");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  nasengine bench kernels --filter depthwise --json\n"
      "  chrt -f 1 ./nasengine bench step --space fashion\n"
      "  nasengine bench step --space fashion --profile-step --trace trace.json\n"
      "  chrt -f 1 ./nasengine bench step --filter 'pytorch eager' --peer pytorch\n"
      "  chrt -f 1 ./nasengine bench kernels --write-policy kernels/policy/avx512_bf16.txt\n"
      "  nasengine bench memory --svg memory.svg\n"
      "  nasengine bench memory --space fashion --peer pytorch\n"
      "  chrt -f 1 ./nasengine bench inference --peer onnxruntime\n"
      "  nasengine bench search-table --table nasbench201_accuracy.csv\n");
  BenchOptions options;
  options.threads = AvailableThreads();
  for (const Command& command : kCommands) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    AddOptions(*sub, command.peers, options);
    sub->callback([run = command.run, &options] {
      const Json document = run(options);
      if (options.json) std::printf("%s\n", document.dump(2).c_str());
    });
  }
  // What `memory --peer` starts; of no use to people.
  app.add_subcommand("serve-steps")->group("")->callback(ServeSteps);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "error: %s (see nasengine bench --help)\n", error.what());
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace nasengine

int main(int argc, char** argv) {
  try {
    return nasengine::Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}
