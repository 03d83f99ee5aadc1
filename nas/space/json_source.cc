// JSON into SourceValue. Places are paths into the document, since the parser keeps no lines.
// SPDX-License-Identifier: MIT
#include <nlohmann/json.hpp>

#include "kernels/core/error.h"
#include "nas/space/source_value.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

// Deeper documents are no descriptions of ours, and would exhaust the stack.
constexpr int kMaxDepth = 16;

SourceValue Convert(const Json& json, std::string_view origin, const std::string& path) {
  SourceValue value;
  value.place = path.empty() ? std::string(origin) : StrCat(origin, ": ", path);
  if (json.is_object()) {
    value.kind = SourceValue::Kind::kTable;
    for (const auto& [key, member] : json.items()) {
      const std::string member_path = path.empty() ? key : StrCat(path, ".", key);
      value.members.push_back(
          {key, StrCat(origin, ": ", member_path), Convert(member, origin, member_path)});
    }
  } else if (json.is_array()) {
    value.kind = SourceValue::Kind::kArray;
    for (size_t i = 0; i < json.size(); ++i) {
      value.items.push_back(Convert(json[i], origin, StrCat(path, "[", i, "]")));
    }
  } else if (json.is_string()) {
    value.kind = SourceValue::Kind::kString;
    value.text = json.get<std::string>();
  } else if (json.is_number_integer() && json <= INT64_MAX) {
    value.kind = SourceValue::Kind::kInteger;
    value.integer = json.get<int64_t>();
    value.real = static_cast<double>(value.integer);
  } else if (json.is_number()) {
    value.kind = SourceValue::Kind::kReal;
    value.real = json.get<double>();
  } else if (json.is_boolean()) {
    value.kind = SourceValue::Kind::kBoolean;
    value.boolean = json.get<bool>();
  } else {
    value.text = "null";
  }
  return value;
}

}  // namespace

SourceValue ParseJson(std::string_view text, std::string_view origin) {
  int line = 1;
  try {
    const auto limit_depth = [&](int depth, Json::parse_event_t, Json&) {
      NAS_CHECK(depth <= kMaxDepth, origin, ": found more than ", kMaxDepth,
                " levels of nesting, expected fewer");
      return true;
    };
    return Convert(Json::parse(text, limit_depth), origin, "");
  } catch (const Json::parse_error& error) {
    size_t column = 1;
    const size_t end = std::min(text.size(), error.byte == 0 ? 0 : error.byte - 1);
    for (size_t i = 0; i < end; ++i, ++column) {
      if (text[i] == '\n') {
        ++line;
        column = 0;
      }
    }
    Throw(ErrorCode::kInvalidArgument, origin, ":", line, ":", column,
          ": found no valid JSON, expected a complete document");
  }
}

}  // namespace nasengine
