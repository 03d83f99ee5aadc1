// The benchmarks as one program: chooses one by name and turns what it throws into one line.
// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/step_server.h"
#include "kernels/core/device_plugin.h"
#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/config/machine.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;
using Benchmark = Json (*)(const BenchOptions&);

struct Command {
  const char* name;
  const char* summary;
  const char* examples;  // a line each
  Benchmark run;
  std::vector<std::string> (*row_names)(const BenchOptions&);
  // Beyond those that all take.
  std::set<std::string> options;
  std::vector<std::string> peers{};
};

// A benchmark of `all`, and the share of the time by which it has to be done.
struct Part {
  const char* name;
  Benchmark run;
  std::vector<std::string> (*row_names)(const BenchOptions&);
  double until;
};
const Part kParts[] = {{"kernels", BenchKernels, KernelRowNames, 0.5},
                       {"step", BenchStep, StepRowNames, 0.7},
                       {"memory", BenchMemory, MemoryRowNames, 0.85},
                       {"inference", BenchInference, InferenceRowNames, 1}};

// Less than the ten minutes for which a card is lent, by the longest row and the start.
constexpr int kSecondsOnADevice = 420;

Deadline DeadlineOf(const BenchOptions& options) {
  if (options.seconds > 0) return Deadline(options.seconds);
  return options.device == "cpu" ? Deadline() : Deadline(kSecondsOnADevice);
}

// Throws where there is none, which every part would.
void CheckDevice(const std::string& device) {
  KernelRegistry registry;
  OpenDevice(ParseDevice(device), registry);
}

std::vector<std::string> AllRowNames(const BenchOptions& options) {
  std::vector<std::string> names;
  for (const Part& part : kParts) {
    for (std::string& name : part.row_names(options)) names.push_back(std::move(name));
  }
  return names;
}

// One part's failure takes nothing from the others: the run may be the only one that there is.
Json BenchAll(const BenchOptions& options) {
  if (!options.out.empty()) CheckFolderOf("--out", options.out);
  CheckDevice(options.device);
  const Deadline deadline = DeadlineOf(options);
  Json document = {{"benchmark", "all"}};
  for (const Part& part : kParts) {
    BenchOptions own = options;
    own.go_on = true;
    own.deadline = deadline.At(part.until);
    try {
      document[part.name] = part.run(own);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s: %s\n", part.name, error.what());
      document[part.name] = {{"error", error.what()}};
    }
    document["seconds"] = deadline.elapsed_s();
    if (!options.out.empty()) WriteFileAtomically(options.out, document.dump(2) + "\n");
  }
  return document;
}

// What of a document did not come about for another reason than that there was no time.
int Failures(const Json& document) {
  int failures = document.contains("error") ? 1 : 0;
  for (const Json& row : document.value("left_out", Json::array())) {
    failures += row["why"] == kNoTimeLeft ? 0 : 1;
  }
  for (const Part& part : kParts) {
    if (document.contains(part.name)) failures += Failures(document[part.name]);
  }
  return failures;
}

const Command kCommands[] = {
    {"kernels",
     "every operator against the vendor's and the machine's limit",
     "  nasengine bench kernels --filter depthwise --json\n"
     "  chrt -f 1 ./nasengine bench kernels --write-policy kernels/policy/avx512_bf16.txt\n",
     BenchKernels,
     KernelRowNames,
     {"--device", "--reference", "--rounds", "--write-policy", "--floor"}},
    {"step",
     "time and memory of a search's steps, and of a step of all paths",
     "  chrt -f 1 ./nasengine bench step --space fashion\n"
     "  nasengine bench step --space fashion --profile-step --trace trace.json\n"
     "  chrt -f 1 ./nasengine bench step --filter 'pytorch eager' --peer pytorch\n",
     BenchStep,
     StepRowNames,
     {"--device", "--space", "--batch", "--dtype", "--rounds", "--profile-step"},
     {"pytorch"}},
    {"memory",
     "memory of one path against all, as candidates are added",
     "  nasengine bench memory --svg memory.svg\n"
     "  nasengine bench memory --space fashion --peer pytorch\n",
     BenchMemory,
     MemoryRowNames,
     {"--device", "--space", "--batch", "--dtype", "--rounds", "--svg"},
     {"pytorch"}},
    {"inference",
     "the published networks as shipped, on one thread and on all",
     "  chrt -f 1 ./nasengine bench inference --peer onnxruntime\n",
     BenchInference,
     InferenceRowNames,
     {"--device", "--batch", "--rounds"},
     {"onnxruntime"}},
    {"search-table",
     "searches on a table of trained networks, over many seeds",
     "  nasengine bench search-table --table nasbench201_accuracy.csv\n",
     BenchTable,
     TableRowNames,
     {"--table"}},
    {"all",
     "kernels, step, memory and inference",
     "  nasengine bench all --device cuda:0 --out bench.json\n",
     BenchAll,
     AllRowNames,
     {"--device", "--reference", "--space", "--batch", "--dtype", "--rounds", "--svg", "--seconds",
      "--out"},
     {"pytorch", "onnxruntime"}},
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

void AddOptions(CLI::App& sub, const Command& command, BenchOptions& options) {
  const auto takes = [&](const char* name) { return command.options.contains(name); };
  sub.add_option("--filter", options.filter, "Run rows whose name contains this expression")
      ->check(CheckRegex);
  sub.add_flag("--json", options.json, "Print one JSON document instead of tables");
  sub.add_option("--threads", options.threads, "OpenMP threads (default: all cores)")
      ->check(CheckCount);
  if (takes("--device")) {
    sub.add_option("--device", options.device, "cpu (default) or cuda:N");
  }
  if (takes("--reference")) {
    sub.add_flag("--reference", options.reference, "Time the plain f64 loops of kernels too");
  }
  if (takes("--space")) sub.add_option("--space", options.spaces, "A space's name or file");
  if (takes("--batch")) {
    sub.add_option("--batch", options.batch, "Images of a batch")->check(CheckCount);
  }
  if (takes("--dtype")) {
    sub.add_option("--dtype", options.dtype, "What steps compute in: f32 (default) or bf16")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, DType>{{"f32", DType::kF32}, {"bf16", DType::kBf16}}))
        ->option_text("f32|bf16");
  }
  if (takes("--rounds")) {
    sub.add_option("--rounds", options.rounds, "Rounds to take the median of")->check(CheckCount);
  }
  if (takes("--seconds")) {
    sub.add_option("--seconds", options.seconds,
                   StrCat("Start no row after so many (", kSecondsOnADevice, " on a device)"))
        ->check(CheckCount);
  }
  if (takes("--out")) {
    sub.add_option("--out", options.out,
                   "Write the document to this file, anew whenever a part of it is done");
  }
  if (takes("--svg")) {
    sub.add_option("--svg", options.svg, "A picture of the memory, such as memory.svg");
  }
  if (!command.peers.empty()) {
    CLI::Option* peer = sub.add_option("--peer", options.peer, "Compare with another framework")
                            ->check(CLI::IsMember(command.peers));
    sub.add_option("--python", options.python, "The Python that has it (python3)")->needs(peer);
  }
  if (takes("--profile-step")) {
    CLI::Option* profile = sub.add_flag("--profile-step", options.profile_step,
                                        "Show where the time goes, operator by operator");
    profile->excludes("--peer");
    sub.add_option("--trace", options.trace,
                   "With --profile-step, a trace for ui.perfetto.dev, such as trace.json")
        ->needs(profile);
  }
  if (takes("--write-policy")) {
    sub.add_option("--write-policy", options.write_policy,
                   "Time what has a choice, write kernels/policy/CAPABILITY.txt");
  }
  if (takes("--floor")) {
    sub.add_option("--floor", options.floor_gbps,
                   "Run nothing; print the least time of each row at so many GB/s")
        ->check(CheckCount);
  }
  if (takes("--table")) {
    sub.add_option("--table", options.table, "The table: nasbench201_accuracy.csv");
  }
}

// Before anything runs or is written.
void CheckFilter(const Command& command, const BenchOptions& options) {
  const std::regex filter(options.filter);
  NAS_CHECK(
      std::ranges::any_of(command.row_names(options),
                          [&](const std::string& name) { return std::regex_search(name, filter); }),
      "--filter '", options.filter, "': nothing that '", command.name, "' runs has such a name");
}

void RunCommand(const Command& command, const BenchOptions& options) {
  if (!options.filter.empty()) CheckFilter(command, options);
  const Json document = command.run(options);
  if (options.json) std::printf("%s\n", document.dump(2).c_str());
  const int failures = Failures(document);
  if (failures > 0) {
    Throw(ErrorCode::kDevice, command.name, ": ", failures, " of its rows failed, expected none");
  }
}

int Run(int argc, char** argv) {
  CLI::App app("Benchmarks of nasengine.", "nasengine bench");
  app.require_subcommand(1);
  BenchOptions options;
  options.threads = AvailableThreads();
  std::string examples;
  for (const Command& command : kCommands) {
    examples += command.examples;
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->footer(StrCat("Examples:\n", command.examples));
    AddOptions(*sub, command, options);
    sub->callback([&command, &options] { RunCommand(command, options); });
  }
  app.footer("Examples:\n" + examples);
  // What `memory --peer` starts; of no use to people.
  app.add_subcommand("serve-steps")->group("")->callback(ServeSteps);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    const std::string help = chosen.empty() ? "" : chosen.front()->get_name() + " ";
    std::fprintf(stderr, "error: %s (see nasengine bench %s--help)\n", error.what(), help.c_str());
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
