// Telling kinds of table files apart.
// SPDX-License-Identifier: MIT
#include "nas/latency/table_file.h"

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"

namespace nasengine {
namespace {

// Some spreadsheets begin their files with it.
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kBlank = " \t\r\n";

// Files that hold one cost alone.
LatencyTable WithCost(LatencyTable table, std::string_view cost, std::string_view origin) {
  const std::string full = StrCat(table.cost.name, "(", table.cost.unit, ")");
  if (cost.empty() ? table.cost.is_latency() : cost == table.cost.name || cost == full) {
    return table;
  }
  Throw(ErrorCode::kNotFound, origin, ": found ", full, ", expected ",
        cost.empty() ? "latency" : cost, "; --cost chooses among the costs of a table");
}

}  // namespace

LatencyTable LoadLatencyTable(const std::string& path, std::string_view cost) {
  std::string text = ReadFile(path);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  const std::size_t start = text.find_first_not_of(kBlank);
  NAS_CHECK(start != std::string::npos, path,
            ": found an empty file, expected a latency table in JSON, YAML or CSV");
  if (text[start] == '{') return WithCost(LatencyTableFromJson(text, path), cost, path);
  const std::string_view first_line = std::string_view(text).substr(0, text.find('\n'));
  if (first_line.starts_with("block_name") || path.ends_with(".csv")) {
    return LatencyTableFromCsv(text, path, cost);
  }
  return WithCost(LatencyTableFromYaml(text, path), cost, path);
}

}  // namespace nasengine
