// The only file that sees yaml-cpp.
// SPDX-License-Identifier: MIT
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <set>
#include <vector>

#include "kernels/core/error.h"
#include "nas/latency/table_file.h"

namespace nasengine {
namespace {

// The median absolute deviation of a normal distribution whose standard deviation is 1.
constexpr double kMadOfNormal = 0.6745;
constexpr double kMostSamples = 1e15;

class YamlReader {
 public:
  explicit YamlReader(std::string_view origin) : origin_(origin) {}

  LatencyTable Read(const YAML::Node& document) const {
    NAS_CHECK(!document.IsNull(), origin_,
              ": found no keys, expected a map from latency keys to count and mean");
    if (!document.IsMap()) Refuse(document, "no map", "latency keys with count and mean");
    LatencyTable table{.device = "not stated",
                       .runtime = "not stated",
                       .created_by = "not stated",
                       .protocol = "published means, read from YAML"};
    for (const auto& member : document) {
      const std::string& key = Word(member.first);
      if (!table.entries.emplace(key, ReadEntry(member.second)).second) {
        Refuse(member.first, StrCat("the key '", key, "' twice"), "it once");
      }
    }
    return table;
  }

  [[noreturn]] void Refuse(const YAML::Mark& mark, const std::string& found,
                           const std::string& expected) const {
    Throw(ErrorCode::kInvalidArgument, origin_, ":", mark.line + 1, ":", mark.column + 1,
          ": found ", found, ", expected ", expected);
  }

 private:
  [[noreturn]] void Refuse(const YAML::Node& node, const std::string& found,
                           const std::string& expected) const {
    Refuse(node.Mark(), found, expected);
  }

  const std::string& Word(const YAML::Node& key) const {
    if (!key.IsScalar()) Refuse(key, "a key that is no word", "a word");
    return key.Scalar();
  }

  LatencyEntry ReadEntry(const YAML::Node& entry) const {
    if (!entry.IsMap()) Refuse(entry, "no map", "count, mean and var or std below the key");
    std::set<std::string> seen;
    LatencyEntry result;
    for (const auto& member : entry) {
      const std::string& name = Word(member.first);
      if (!seen.insert(name).second) Refuse(member.first, StrCat("'", name, "' twice"), "it once");
      const double value = ReadNumber(member.second);
      if (name == "mean") {
        result.cost = value;
      } else if (name == "var") {
        result.mad = kMadOfNormal * std::sqrt(value);
      } else if (name == "std") {
        result.mad = kMadOfNormal * value;
      } else if (name == "count") {
        if (value < 1 || value > kMostSamples || value != std::floor(value)) {
          Refuse(member.second, StrCat("'", member.second.Scalar(), "'"), "an integer above 0");
        }
        result.samples = static_cast<std::int64_t>(value);
      } else {
        Refuse(member.first, StrCat("'", name, "'"), "count, mean, var or std");
      }
    }
    for (const char* name : {"count", "mean"}) {
      if (!seen.contains(name)) Refuse(entry, StrCat("no '", name, "'"), "count and mean");
    }
    if (seen.contains("var") && seen.contains("std")) {
      Refuse(entry, "var and std", "one of the two");
    }
    return result;
  }

  double ReadNumber(const YAML::Node& node) const {
    const std::string text = node.IsScalar() ? node.Scalar() : std::string();
    double value = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || rest != end || !std::isfinite(value) || value < 0) {
      Refuse(node, node.IsScalar() ? StrCat("'", text, "'") : "no number",
             "a finite number, 0 or more");
    }
    return value;
  }

  std::string_view origin_;
};

}  // namespace

LatencyTable LatencyTableFromYaml(std::string_view text, std::string_view origin) {
  const YamlReader reader(origin);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    NAS_CHECK(documents.size() < 2, origin, ": found ", documents.size(),
              " YAML documents, expected one");
    return reader.Read(documents.empty() ? YAML::Node() : documents.front());
  } catch (const YAML::Exception& error) {
    reader.Refuse(error.mark, error.msg, "valid YAML");
  }
}

}  // namespace nasengine
