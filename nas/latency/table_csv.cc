// A table a column: keys in the first, costs in the others.
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <vector>

#include "kernels/core/error.h"
#include "nas/latency/table_file.h"

namespace nasengine {
namespace {

constexpr std::string_view kKeyColumn = "block_name";

struct TimeUnit {
  std::string_view name;
  double ms;
};
constexpr std::array<TimeUnit, 4> kTimeUnits{{{"ns", 1e-6}, {"us", 1e-3}, {"ms", 1}, {"s", 1e3}}};

struct Column {
  std::string header{};  // "energy(mJ)"
  CostUnit unit{};
  double factor = 1;  // into `unit`
};

// A piece of the text that knows where it stands.
struct Cell {
  std::string_view text;
  std::size_t line = 0;    // from 1
  std::size_t column = 0;  // from 1
};

class CsvReader {
 public:
  CsvReader(std::string_view text, std::string_view origin) : rest_(text), origin_(origin) {}

  LatencyTable Read(std::string_view cost) {
    const std::vector<Column> columns = ReadHeader();
    const std::size_t chosen = Choose(columns, cost);
    LatencyTable table{.cost = columns[chosen].unit,
                       .device = "not stated",
                       .runtime = "not stated",
                       .created_by = "not stated",
                       .protocol = StrCat("column ", columns[chosen].header, " of a CSV file")};
    while (!rest_.empty()) {
      const std::vector<Cell> cells = NextLine();
      if (cells.size() == 1 && cells[0].text.empty() && rest_.empty()) break;
      if (cells.size() != columns.size() + 1) {
        Refuse(cells[0], StrCat(cells.size(), " columns"), StrCat(columns.size() + 1));
      }
      if (cells[0].text.empty()) Refuse(cells[0], "no key", "a latency key");
      LatencyEntry entry{.samples = 1};
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const double value = ReadNumber(cells[i + 1], columns[i].factor);
        if (i == chosen) entry.cost = value;
      }
      if (!table.entries.emplace(cells[0].text, entry).second) {
        Refuse(cells[0], StrCat("the key '", cells[0].text, "' twice"), "it once");
      }
    }
    NAS_CHECK(!table.entries.empty(), origin_, ": found a header alone, expected a line a key");
    return table;
  }

 private:
  [[noreturn]] void Refuse(const Cell& cell, const std::string& found,
                           const std::string& expected) const {
    Throw(ErrorCode::kInvalidArgument, origin_, ":", cell.line, ":", cell.column, ": found ", found,
          ", expected ", expected);
  }

  std::vector<Cell> NextLine() {
    ++line_;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    std::vector<Cell> cells;
    for (std::size_t at = 0;;) {
      const std::size_t comma = std::min(line.find(',', at), line.size());
      cells.push_back({line.substr(at, comma - at), line_, at + 1});
      if (comma == line.size()) return cells;
      at = comma + 1;
    }
  }

  std::vector<Column> ReadHeader() {
    const std::vector<Cell> cells = NextLine();
    if (cells[0].text != kKeyColumn || cells.size() < 2) {
      Refuse(cells[0], StrCat("'", cells[0].text, "'"),
             "the header block_name,NAME(UNIT),... such as block_name,latency(ms)");
    }
    std::vector<Column> columns;
    for (std::size_t i = 1; i < cells.size(); ++i) {
      Column column = ReadColumn(cells[i]);
      const auto same = [&](const Column& other) { return other.unit.name == column.unit.name; };
      if (std::ranges::any_of(columns, same)) {
        Refuse(cells[i], StrCat("a second column ", column.unit.name), "every cost once");
      }
      columns.push_back(std::move(column));
    }
    return columns;
  }

  Column ReadColumn(const Cell& cell) const {
    const std::size_t open = cell.text.find('(');
    if (open == std::string_view::npos || open == 0 || !cell.text.ends_with(')') ||
        cell.text.size() - open < 3) {
      Refuse(cell, StrCat("'", cell.text, "'"), "NAME(UNIT) such as latency(ms)");
    }
    Column column{.header = std::string(cell.text)};
    column.unit.name = cell.text.substr(0, open);
    column.unit.unit = cell.text.substr(open + 1, cell.text.size() - open - 2);
    const auto* const time = std::ranges::find(kTimeUnits, column.unit.unit, &TimeUnit::name);
    if (time != kTimeUnits.end()) {
      column.unit.unit = CostUnit{}.unit;
      column.factor = time->ms;
    } else if (column.unit.is_latency()) {
      Refuse(cell, StrCat("latency in '", column.unit.unit, "'"), "ns, us, ms or s");
    }
    return column;
  }

  std::size_t Choose(const std::vector<Column>& columns, std::string_view cost) const {
    const std::string_view wanted = cost.empty() ? "latency" : cost;
    std::string list;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].unit.name == wanted || columns[i].header == wanted) return i;
      list += (list.empty() ? "" : ", ") + columns[i].header;
    }
    Throw(ErrorCode::kNotFound, origin_, ":1: found the costs ", list, ", expected ", wanted,
          "; --cost chooses one of a table's");
  }

  double ReadNumber(const Cell& cell, double factor) const {
    double value = 0;
    const char* const end = cell.text.data() + cell.text.size();
    const auto [rest, error] = std::from_chars(cell.text.data(), end, value);
    const bool whole = error == std::errc() && rest == end;
    if (!whole || !std::isfinite(value * factor) || value < 0) {
      Refuse(cell, StrCat("'", cell.text, "'"), "a finite number, 0 or more");
    }
    return value * factor;
  }

  std::string_view rest_;
  std::string_view origin_;
  std::size_t line_ = 0;
};

}  // namespace

LatencyTable LatencyTableFromCsv(std::string_view text, std::string_view origin,
                                 std::string_view cost) {
  return CsvReader(text, origin).Read(cost);
}

}  // namespace nasengine
