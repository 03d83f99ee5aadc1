// The latency table's file, both ways.
// SPDX-License-Identifier: MIT
#include "nas/latency/latency_table.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/latency/strict_json.h"
#include "nas/space/source_value.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "nasengine-latency-table";
constexpr int kVersion = 1;
constexpr int64_t kMaxBatch = 1 << 20;
constexpr int64_t kMaxThreads = 1 << 16;

void ExpectWord(const TableReader& table, std::string_view key, std::string_view word) {
  const std::string expected = StrCat("'", word, "'");
  const SourceValue& value = table.Require(key, expected);
  if (value.kind != SourceValue::Kind::kString || value.text != word) Refuse(value, expected);
}

// The keys of an entry: latency says its unit in the file's every line.
struct EntryKeys {
  explicit EntryKeys(const CostUnit& unit)
      : cost(unit.is_latency() ? "latency_ms" : "cost"),
        mad(unit.is_latency() ? "mad_ms" : "mad") {}
  std::string_view cost;
  std::string_view mad;
};

double ReadCost(const TableReader& table, std::string_view key, const CostUnit& unit) {
  const std::string expected =
      StrCat("a finite ", unit.is_latency() ? "time" : unit.name, " in ", unit.unit, ", 0 or more");
  const SourceValue& value = table.Require(key, expected);
  const bool is_number =
      value.kind == SourceValue::Kind::kInteger || value.kind == SourceValue::Kind::kReal;
  if (!is_number || !std::isfinite(value.real) || value.real < 0) Refuse(value, expected);
  return value.real;
}

LatencyEntry ReadEntry(const SourceValue& value, const CostUnit& unit) {
  const EntryKeys keys(unit);
  const TableReader table(value, "an entry", {keys.cost, keys.mad, "samples"});
  return {.cost = ReadCost(table, keys.cost, unit),
          .mad = ReadCost(table, keys.mad, unit),
          .samples = table.Int("samples", 1, std::numeric_limits<int64_t>::max())};
}

// A file without the key "cost" holds latency, and latency is in ms.
CostUnit ReadUnit(const TableReader& reader) {
  CostUnit unit{.name = reader.String("cost", "latency"), .unit = reader.String("unit")};
  if (unit.is_latency() && unit.unit != CostUnit{}.unit) {
    Refuse(*reader.Find("unit"), "'ms'");
  }
  return unit;
}

}  // namespace

const LatencyEntry* LatencyTable::Find(std::string_view key) const {
  const auto found = entries.find(key);
  return found == entries.end() ? nullptr : &found->second;
}

std::string LatencyTableToJson(const LatencyTable& table) {
  Json json{
      {"format", kFormat},         {"version", kVersion},     {"device", table.device},
      {"threads", table.threads},  {"batch", table.batch},    {"dtype", table.dtype},
      {"runtime", table.runtime},  {"unit", table.cost.unit}, {"created_by", table.created_by},
      {"protocol", table.protocol}};
  if (!table.cost.is_latency()) json["cost"] = table.cost.name;
  json["entries"] = Json::object();
  const EntryKeys keys(table.cost);
  for (const auto& [key, entry] : table.entries) {
    json["entries"][key] = {
        {keys.cost, entry.cost}, {keys.mad, entry.mad}, {"samples", entry.samples}};
  }
  return json.dump(2) + "\n";
}

LatencyTable LatencyTableFromJson(std::string_view json, std::string_view origin) {
  CheckStrictJson(json, origin);
  const SourceValue document = ParseJson(json, origin);
  const TableReader reader(document, "the document",
                           {"format", "version", "device", "threads", "batch", "dtype", "runtime",
                            "unit", "cost", "created_by", "protocol", "entries"});
  ExpectWord(reader, "format", kFormat);
  const SourceValue& version = reader.Require("version", StrCat("version ", kVersion));
  if (version.kind != SourceValue::Kind::kInteger || version.integer != kVersion) {
    Refuse(version, StrCat("version ", kVersion, ", the one this program reads"));
  }
  LatencyTable table{.cost = ReadUnit(reader)};
  table.device = reader.String("device");
  table.threads = static_cast<int>(reader.Int("threads", 1, kMaxThreads));
  table.batch = reader.Int("batch", 1, kMaxBatch);
  table.dtype = reader.String("dtype");
  table.runtime = reader.String("runtime");
  table.created_by = reader.String("created_by");
  table.protocol = reader.String("protocol");
  const SourceValue& entries = reader.Require("entries", "a table of keys");
  if (entries.kind != SourceValue::Kind::kTable) Refuse(entries, "a table of keys");
  for (const SourceValue::Member& member : entries.members) {
    table.entries[member.key] = ReadEntry(member.value, table.cost);
  }
  return table;
}

void SaveLatencyTable(const std::string& path, const LatencyTable& table) {
  WriteFileAtomically(path, LatencyTableToJson(table));
}

}  // namespace nasengine
