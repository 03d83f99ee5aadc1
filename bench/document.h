// What every benchmark prints around its rows: the machine, the program and how it ran.
// SPDX-License-Identifier: MIT
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "bench/limits.h"
#include "bench/workbench.h"

namespace nasengine {

inline constexpr const char* kNoTimeLeft = "no time left";

// {"benchmark", "machine": {device, threads, ...}, "rows": [], "left_out": []}.
nlohmann::ordered_json MakeDocument(const std::string& benchmark, const Workbench& bench);
// Of a card, machine.clocks has "before" and, once this was called, "after".
void RecordClocksAfter(const Workbench& bench, nlohmann::ordered_json& document);
// Notes that a row was left out, in "left_out", and says it on stderr.
void LeaveOut(const std::string& row, const std::string& why, nlohmann::ordered_json& document);
nlohmann::ordered_json ToJson(const MachineLimits& limits);

// The same as lines for people, on stdout.
void PrintMachine(const Workbench& bench);
void PrintLimits(const MachineLimits& limits);

// Such as "oneDNN 2.6.3".
std::string VendorVersion();
// Throws kInvalidArgument where the file that `flag` names could not be written for want of a
// folder: a run of minutes must not end at that.
void CheckFolderOf(const std::string& flag, const std::string& file);
// Whether the process runs under a real-time policy (chrt -f 1), which keeps other work away.
bool IsRealTime();
// Resident memory of the process, and the largest since it started or since the last reset.
std::int64_t ResidentBytes();
std::int64_t ResidentPeakBytes();
// False where the system does not let a process reset it.
bool ResetResidentPeak();

}  // namespace nasengine
