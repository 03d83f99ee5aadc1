// SPDX-License-Identifier: MIT
#include "bench/architecture_table.h"

#include <algorithm>
#include <charconv>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr std::size_t kMostEdges = 8;

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

struct Row {
  std::string_view ops;
  double search = 0;
  double final = 0;
};

// The rows of a table, each value checked for itself.
class RowReader {
 public:
  RowReader(std::string_view origin, std::string_view header, std::string_view search_column,
            std::string_view final_column)
      : origin_(origin), header_(Split(header, ',')) {
    ops_ = Find("ops");
    search_ = Find(search_column);
    final_ = Find(final_column);
  }

  Row Read(std::string_view line, std::size_t number) const {
    const std::vector<std::string_view> cells = Split(line, ',');
    NAS_CHECK(cells.size() == header_.size(), origin_, ":", number, ": found ", cells.size(),
              " values, expected ", header_.size());
    const std::string_view ops = cells[ops_];
    NAS_CHECK(!ops.empty() && ops.size() <= kMostEdges &&
                  ops.find_first_not_of("0123456789") == std::string_view::npos,
              origin_, ":", number, ": found ops '", ops, "', expected 1 to ", kMostEdges,
              " digits");
    return {ops, Percent(cells[search_], number), Percent(cells[final_], number)};
  }

 private:
  std::size_t Find(std::string_view column) const {
    const auto at = std::ranges::find(header_, column);
    NAS_CHECK(at != header_.end(), origin_, ":1: found no column '", column, "'");
    return static_cast<std::size_t>(at - header_.begin());
  }
  double Percent(std::string_view text, std::size_t number) const {
    double value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    NAS_CHECK(
        error == std::errc() && end == text.data() + text.size() && value >= 0 && value <= 100,
        origin_, ":", number, ": found '", text, "', expected a percentage");
    return value / 100;
  }

  std::string_view origin_;
  std::vector<std::string_view> header_;
  std::size_t ops_ = 0;
  std::size_t search_ = 0;
  std::size_t final_ = 0;
};

std::vector<int> PathOf(std::string_view ops) {
  std::vector<int> path;
  for (const char digit : ops) path.push_back(digit - '0');
  return path;
}

}  // namespace

ArchitectureTable::ArchitectureTable(std::string_view csv, std::string_view origin,
                                     std::string_view search_column,
                                     std::string_view final_column) {
  while (csv.ends_with('\n')) csv.remove_suffix(1);
  const std::vector<std::string_view> lines = Split(csv, '\n');
  const RowReader reader(origin, lines.front(), search_column, final_column);
  std::vector<Row> rows;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    rows.push_back(reader.Read(lines[i], i + 1));
    for (const int choice : PathOf(rows.back().ops)) {
      operations_ = std::max(operations_, choice + 1);
    }
  }
  NAS_CHECK(!rows.empty(), origin, ": found no networks");
  edges_ = static_cast<int>(rows.front().ops.size());
  std::size_t networks = 1;
  for (int edge = 0; edge < edges_; ++edge) networks *= static_cast<std::size_t>(operations_);
  NAS_CHECK(rows.size() == networks, origin, ": found ", rows.size(), " networks, expected ",
            networks, ", ", operations_, " operations on each of ", edges_, " edges");
  search_.assign(networks, -1);
  final_.assign(networks, -1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    NAS_CHECK(static_cast<int>(rows[i].ops.size()) == edges_, origin, ":", i + 2, ": found ops '",
              rows[i].ops, "', expected ", edges_, " digits");
    const std::size_t index = IndexOf(PathOf(rows[i].ops));
    NAS_CHECK(search_[index] < 0, origin, ":", i + 2, ": found ops '", rows[i].ops,
              "' a second time");
    search_[index] = rows[i].search;
    final_[index] = rows[i].final;
  }
}

std::size_t ArchitectureTable::IndexOf(std::span<const int> path) const {
  NAS_CHECK(static_cast<int>(path.size()) == edges_, "table: a path of ", path.size(),
            " edges, expected ", edges_);
  std::size_t index = 0;
  for (const int choice : path) {
    NAS_CHECK(choice >= 0 && choice < operations_, "table: found operation ", choice,
              ", expected one of ", operations_);
    index = index * static_cast<std::size_t>(operations_) + static_cast<std::size_t>(choice);
  }
  return index;
}

double ArchitectureTable::BestFinalTop1() const { return std::ranges::max(final_); }

}  // namespace nasengine
