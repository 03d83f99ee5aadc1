// SPDX-License-Identifier: MIT
#include "bench/step_server.h"

#include <malloc.h>
#include <sched.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/document.h"
#include "bench/memory_cases.h"
#include "bench/supernet_steps.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

ServedStep ReadRequest(const std::string& line) {
  const Json request = Json::parse(line);
  return {.space = request["space"],
          .candidates = request["candidates"],
          .batch = request["batch"],
          .dtype = request["dtype"] == Name(DType::kBf16) ? DType::kBf16 : DType::kF32,
          .path = request["path"].get<Path>(),
          .threads = request["threads"],
          .cores = request["cores"].get<std::vector<int>>()};
}

// The main thread of whoever started us had a core of its own, and so have we until now.
void UseCores(const std::vector<int>& cores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  for (const int core : cores) CPU_SET(core, &allowed);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

void Answer(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

}  // namespace

std::vector<std::string> StepServer() { return {"/proc/self/exe", "serve-steps"}; }

std::string RequestFor(const ServedStep& step) {
  return Json{{"space", step.space}, {"candidates", step.candidates},
              {"batch", step.batch}, {"dtype", Name(step.dtype)},
              {"path", step.path},   {"threads", step.threads},
              {"cores", step.cores}}
      .dump();
}

void ServeSteps() {
  std::string line;
  std::getline(std::cin, line);
  const ServedStep wanted = ReadRequest(line);
  UseCores(wanted.cores);
  Workbench bench(wanted.threads);
  const SearchSpace space = WithCandidates(LoadSpace(wanted.space), wanted.candidates);
  const PlannedStep kind = wanted.path.empty() ? PlannedStep::kAllPaths : PlannedStep::kWeights;
  const auto take = [&](SupernetSteps& steps) { steps.Run(bench.context(), kind); };
  {
    SupernetSteps rehearsal(bench, space, 2, {&kind, 1}, wanted.dtype);
    take(rehearsal);
    take(rehearsal);
  }
  bench.allocator().ReleaseCached();
  ::malloc_trim(0);
  const std::int64_t start_bytes = ResidentBytes();
  SupernetSteps steps(bench, space, wanted.batch, {&kind, 1}, wanted.dtype);
  if (!wanted.path.empty()) steps.SetPath(wanted.path);
  take(steps);
  ResetResidentPeak();
  Answer("ready nasengine");
  while (std::getline(std::cin, line)) {
    if (line == "step") {
      take(steps);
      Answer("done");
    } else if (line == "peak") {
      Answer(std::to_string(ResidentPeakBytes() - start_bytes));
    }
  }
}

}  // namespace nasengine
