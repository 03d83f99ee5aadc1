// TOML into SourceValue; the only file here that sees toml++.
// SPDX-License-Identifier: MIT
#include <toml++/toml.h>

#include "kernels/core/error.h"
#include "nas/space/source_value.h"

namespace nasengine {
namespace {

std::string Place(std::string_view origin, const toml::source_region& region) {
  return StrCat(origin, ":", region.begin.line, ":", region.begin.column);
}

SourceValue Convert(const toml::node& node, std::string_view origin) {
  SourceValue value;
  value.place = Place(origin, node.source());
  value.line = static_cast<int>(node.source().begin.line);
  value.column = static_cast<int>(node.source().begin.column);
  if (const toml::table* table = node.as_table()) {
    value.kind = SourceValue::Kind::kTable;
    for (const auto& [key, member] : *table) {
      value.members.push_back(
          {std::string(key.str()), Place(origin, key.source()), Convert(member, origin)});
    }
  } else if (const toml::array* array = node.as_array()) {
    value.kind = SourceValue::Kind::kArray;
    for (const toml::node& item : *array) value.items.push_back(Convert(item, origin));
  } else if (const auto* text = node.as_string()) {
    value.kind = SourceValue::Kind::kString;
    value.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = SourceValue::Kind::kInteger;
    value.integer = integer->get();
    value.real = static_cast<double>(value.integer);
  } else if (const auto* real = node.as_floating_point()) {
    value.kind = SourceValue::Kind::kReal;
    value.real = real->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = SourceValue::Kind::kBoolean;
    value.boolean = boolean->get();
  } else {
    value.text = "a date or time";
  }
  return value;
}

}  // namespace

SourceValue ParseToml(std::string_view text, std::string_view origin) {
  try {
    return Convert(toml::parse(text, origin), origin);
  } catch (const toml::parse_error& error) {
    Throw(ErrorCode::kInvalidArgument, Place(origin, error.source()),
          ": found no valid TOML: ", error.description());
  }
}

}  // namespace nasengine
