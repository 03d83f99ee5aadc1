// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_policy_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <tuple>

namespace nasengine {
namespace {

constexpr std::string_view kColumns =
    "operator dtype threads kernel stride width rows c_in c_out order gain noise";
constexpr std::size_t kColumnCount = 12;
constexpr std::array kDTypes{DType::kF32, DType::kBf16};

// The words of one line, and what to say of a wrong one.
class Line {
 public:
  Line(std::string place, const std::string& text) : place_(std::move(place)), text_(text) {
    std::istringstream stream(text);
    for (std::string word; stream >> word;) words_.push_back(word);
  }
  const std::string& place() const { return place_; }
  const std::vector<std::string>& words() const { return words_; }
  bool empty() const { return words_.empty() || words_.front().starts_with('#'); }

  [[noreturn]] void Refuse(std::string_view found, const std::string& expected) const {
    Throw(ErrorCode::kInvalidArgument, place_, ": found ", found, ", expected ", expected);
  }
  [[noreturn]] void RefuseWord(std::size_t word, const std::string& expected) const {
    Refuse(StrCat("'", words_[word], "'"), expected);
  }
  // What follows the first word.
  std::string Rest() const {
    const std::size_t key = text_.find(words_.front());
    const std::size_t begin = text_.find_first_not_of(" \t", key + words_.front().size());
    if (begin == std::string::npos) RefuseWord(0, "a value after it");
    return text_.substr(begin, text_.find_last_not_of(" \t\r") + 1 - begin);
  }
  std::int64_t Size(std::size_t word) const {
    const std::string& text = words_[word];
    std::int64_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || end != text.data() + text.size() || size < 1) {
      RefuseWord(word, "a whole number from 1");
    }
    return size;
  }
  double Real(std::size_t word) const {
    const std::string& text = words_[word];
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) ||
        value < 0) {
      RefuseWord(word, "a number from 0");
    }
    return value;
  }
  // The value of `values` with this name.
  template <class Values>
  auto OneOf(std::size_t word, const Values& values) const {
    std::string names;
    for (const auto value : values) {
      if (words_[word] == Name(value)) return value;
      names += StrCat(names.empty() ? "" : " or ", Name(value));
    }
    RefuseWord(word, names);
  }

 private:
  std::string place_;
  std::string text_;
  std::vector<std::string> words_;
};

KernelPolicyRow ParseRow(const Line& line, const KernelRegistry& registry) {
  const std::vector<std::string>& words = line.words();
  if (words.size() != kColumnCount) {
    line.Refuse(StrCat(words.size(), " words"), StrCat(kColumnCount, ": ", kColumns));
  }
  KernelPolicyRow row{
      .op = words[0],
      .shape = {.dtype = line.OneOf(1, kDTypes),
                .kernel = line.Size(3),
                .stride = line.Size(4),
                .width = line.Size(5),
                .rows = line.Size(6),
                .c_in = line.Size(7),
                .c_out = line.Size(8)},
      .threads = line.OneOf(2, std::array{ThreadClass::kOne, ThreadClass::kMore}),
      .order = ParseOrder(line.place(), words[9]),
      .gain = line.Real(10),
      .noise = line.Real(11),
  };
  if (row.order.size() < 2) line.RefuseWord(9, "two implementations or more");
  for (Impl impl : row.order) {
    if (!registry.Has(row.op, impl)) {
      line.Refuse(StrCat("'", row.op, "' by ", Name(impl)),
                  "an operator and an implementation that this program has");
    }
  }
  return row;
}

auto KeyOf(const KernelPolicyRow& row) {
  const KernelShape& s = row.shape;
  return std::tuple(std::string_view(row.op), std::string_view(Name(s.dtype)), row.threads,
                    s.kernel, s.stride, s.width, s.rows, s.c_in, s.c_out);
}

}  // namespace

KernelPolicyTable ParseKernelPolicy(std::string_view text, std::string_view origin,
                                    const KernelRegistry& registry) {
  KernelPolicyTable table;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string content; std::getline(lines, content);) {
    const Line line(StrCat(origin, ":", ++number), content);
    if (line.empty()) continue;
    const std::string& key = line.words().front();
    if (key == "capability") {
      table.capability = line.Rest();
    } else if (key == "device") {
      table.device = line.Rest();
    } else if (key == "vendor") {
      table.vendor = line.Rest();
    } else if (key == "threads") {
      table.threads = static_cast<int>(Line(line.place(), line.Rest()).Size(0));
    } else {
      table.rows.push_back(ParseRow(line, registry));
      const auto same = std::ranges::find(table.rows, KeyOf(table.rows.back()), KeyOf);
      if (&*same != &table.rows.back())
        line.Refuse("the same operator, threads and shape again", "them once");
    }
  }
  NAS_CHECK(!table.capability.empty() && !table.device.empty(), origin, ":", number,
            ": found the end, expected capability and device before it");
  return table;
}

std::string KernelPolicyText(const KernelPolicyTable& table) {
  std::string text = fmt::format(
      "# Which implementation serves which operator, as measured on one machine. Written by\n"
      "#   nasengine bench kernels --write-policy FILE\n"
      "# gain: time of the second in the order over that of the first; noise: how far two\n"
      "# measurements of the same implementation lay apart, which a difference has to exceed.\n"
      "capability {}\ndevice {}\nvendor {}\nthreads {}\n\n",
      table.capability, table.device, table.vendor, table.threads);
  constexpr std::string_view kHead =
      "# {:<31}{:>5}{:>8}{:>7}{:>7}{:>6}{:>8}{:>6}{:>6}  {:<14}{:>6}{:>7}\n";
  constexpr std::string_view kRow =
      "{:<33}{:>5}{:>8}{:>7}{:>7}{:>6}{:>8}{:>6}{:>6}  {:<14}{:>6.2f}{:>7.3f}\n";
  text += fmt::format(kHead, "operator", "dtype", "threads", "kernel", "stride", "width", "rows",
                      "c_in", "c_out", "order", "gain", "noise");
  std::vector<KernelPolicyRow> rows = table.rows;
  std::ranges::sort(rows, {}, KeyOf);
  for (const KernelPolicyRow& row : rows) {
    const KernelShape& s = row.shape;
    text += fmt::format(kRow, row.op, Name(s.dtype), Name(row.threads), s.kernel, s.stride, s.width,
                        s.rows, s.c_in, s.c_out, ToString(row.order), row.gain, row.noise);
  }
  return text;
}

}  // namespace nasengine
