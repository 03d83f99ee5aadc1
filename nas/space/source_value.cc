// Checked access to parsed documents: every refusal says the place, what was found and what was
// expected.
// SPDX-License-Identifier: MIT
#include "nas/space/source_value.h"

#include <algorithm>
#include <cmath>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

std::string RangeText(const char* kind, auto low, auto high) {
  return StrCat(kind, " from ", low, " to ", high);
}

std::string ListText(std::span<const int> values) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    text += StrCat(i == 0 ? "" : (i + 1 == values.size() ? " or " : ", "), values[i]);
  }
  return text;
}

}  // namespace

std::string SourceValue::Describe() const {
  switch (kind) {
    case Kind::kString:
      return "'" + text + "'";
    case Kind::kInteger:
      return StrCat(integer);
    case Kind::kReal:
      return StrCat(real);
    case Kind::kBoolean:
      return boolean ? "true" : "false";
    case Kind::kArray:
      return "an array";
    case Kind::kTable:
      return "a table";
    case Kind::kOther:
      break;
  }
  return text;
}

const SourceValue* SourceValue::Find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

void Refuse(const SourceValue& value, const std::string& expected) {
  Throw(ErrorCode::kInvalidArgument, value.place, ": found ", value.Describe(), ", expected ",
        expected);
}

int64_t ExpectInt(const SourceValue& value, int64_t low, int64_t high) {
  if (value.kind != SourceValue::Kind::kInteger || value.integer < low || value.integer > high) {
    Refuse(value, RangeText("an integer", low, high));
  }
  return value.integer;
}

double ExpectReal(const SourceValue& value, double low, double high) {
  const bool is_number =
      value.kind == SourceValue::Kind::kInteger || value.kind == SourceValue::Kind::kReal;
  // Written so that a NaN is refused.
  if (!is_number || !(value.real >= low && value.real <= high)) {
    Refuse(value, RangeText("a number", low, high));
  }
  return value.real;
}

const std::string& ExpectString(const SourceValue& value, const std::string& expected) {
  if (value.kind != SourceValue::Kind::kString || value.text.empty()) Refuse(value, expected);
  return value.text;
}

TableReader::TableReader(const SourceValue& table, std::string what,
                         const std::vector<std::string_view>& known_keys)
    : table_(table), what_(std::move(what)) {
  if (table.kind != SourceValue::Kind::kTable) Refuse(table, "a table: " + what_);
  for (const SourceValue::Member& member : table.members) {
    if (std::find(known_keys.begin(), known_keys.end(), member.key) != known_keys.end()) continue;
    std::string known;
    for (const std::string_view key : known_keys) known += StrCat(known.empty() ? "" : " ", key);
    Throw(ErrorCode::kInvalidArgument, member.key_place, ": found the key '", member.key,
          "', expected one of ", known, " in ", what_);
  }
}

const SourceValue* TableReader::Find(std::string_view key) const { return table_.Find(key); }

const SourceValue& TableReader::Require(std::string_view key, const std::string& expected) const {
  const SourceValue* value = Find(key);
  if (value == nullptr) {
    Throw(ErrorCode::kInvalidArgument, table_.place, ": found no key '", key, "' in ", what_,
          ", expected ", expected);
  }
  return *value;
}

int64_t TableReader::Int(std::string_view key, int64_t low, int64_t high) const {
  return ExpectInt(Require(key, RangeText("an integer", low, high)), low, high);
}

int64_t TableReader::Int(std::string_view key, int64_t low, int64_t high, int64_t fallback) const {
  const SourceValue* value = Find(key);
  return value == nullptr ? fallback : ExpectInt(*value, low, high);
}

int TableReader::IntOf(std::string_view key, std::span<const int> allowed) const {
  const SourceValue& value = Require(key, ListText(allowed));
  const bool is_allowed =
      value.kind == SourceValue::Kind::kInteger &&
      std::any_of(allowed.begin(), allowed.end(), [&](int one) { return one == value.integer; });
  if (!is_allowed) Refuse(value, StrCat(key, " ", ListText(allowed)));
  return static_cast<int>(value.integer);
}

int TableReader::IntOf(std::string_view key, std::span<const int> allowed, int fallback) const {
  return Find(key) == nullptr ? fallback : IntOf(key, allowed);
}

double TableReader::Real(std::string_view key, double low, double high) const {
  return ExpectReal(Require(key, RangeText("a number", low, high)), low, high);
}

double TableReader::Real(std::string_view key, double low, double high, double fallback) const {
  const SourceValue* value = Find(key);
  return value == nullptr ? fallback : ExpectReal(*value, low, high);
}

bool TableReader::Bool(std::string_view key, bool fallback) const {
  const SourceValue* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->kind != SourceValue::Kind::kBoolean) Refuse(*value, "true or false");
  return value->boolean;
}

std::string TableReader::String(std::string_view key) const {
  return ExpectString(Require(key, "a string"), "a string that is not empty");
}

std::string TableReader::String(std::string_view key, std::string_view fallback) const {
  const SourceValue* value = Find(key);
  return value == nullptr ? std::string(fallback)
                          : ExpectString(*value, "a string that is not empty");
}

std::vector<std::string> TableReader::Strings(std::string_view key) const {
  const SourceValue& value = Require(key, "an array of strings");
  if (value.kind != SourceValue::Kind::kArray) Refuse(value, "an array of strings");
  std::vector<std::string> strings;
  for (const SourceValue& item : value.items) strings.push_back(ExpectString(item, "a string"));
  return strings;
}

}  // namespace nasengine
