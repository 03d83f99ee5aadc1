// A latency table: how long each distinct layer takes on one device, under the layer's key
// (nas/space/latency_key.h), or what else it costs there. A versioned JSON file, so that a table
// made on one machine serves a search on another. Tables of other makers are read by table_file.h.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "nas/space/cost_unit.h"

namespace nasengine {

// In the unit of the table.
struct LatencyEntry {
  double cost = 0;
  // Median absolute deviation of the samples; 0 where it is not known.
  double mad = 0;
  int64_t samples = 0;

  friend bool operator==(const LatencyEntry&, const LatencyEntry&) = default;
};

struct LatencyTable {
  CostUnit cost{};
  // What was measured on, as the system names it, and how.
  std::string device{};
  int threads = 1;
  int64_t batch = 1;
  std::string dtype = "f32";
  std::string runtime{};
  std::string created_by{};
  std::string protocol{};
  std::map<std::string, LatencyEntry, std::less<>> entries{};

  // Null when the table has no such key.
  const LatencyEntry* Find(std::string_view key) const;

  friend bool operator==(const LatencyTable&, const LatencyTable&) = default;
};

// The JSON document, entries in the order of their keys, ending in a newline; the same table gives
// the same bytes, and every number survives the way back.
std::string LatencyTableToJson(const LatencyTable& table);

// Reads one. `origin` is the file name for messages. Throws kInvalidArgument
// "origin: place: found ..., expected ..." for what is not JSON, another format or version, a key
// that is unknown, missing or there twice, a wrong type, and a cost that is negative or not finite.
LatencyTable LatencyTableFromJson(std::string_view json, std::string_view origin);

// Into a file (written aside, synced, renamed). Also throws kIo.
void SaveLatencyTable(const std::string& path, const LatencyTable& table);

}  // namespace nasengine
