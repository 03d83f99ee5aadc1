// A parsed TOML or JSON document in which every value knows where it stands, so that a reader can
// refuse a file with the exact place, what it found there and what it expected.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nasengine {

struct SourceValue {
  enum class Kind { kString, kInteger, kReal, kBoolean, kArray, kTable, kOther };

  Kind kind = Kind::kOther;
  // "space.toml:12:9" for TOML, "file.json: layers[3].kernel" for JSON.
  std::string place;
  // Position in a TOML file, for putting tables in the order of the file; 0 for JSON.
  int line = 0;
  int column = 0;
  std::string text;  // kString
  int64_t integer = 0;
  double real = 0.0;  // kReal; also set for kInteger
  bool boolean = false;
  std::vector<SourceValue> items;  // kArray

  struct Member;
  std::vector<Member> members;  // kTable

  // "3", "'abc'", "true", "an array", "a table".
  std::string Describe() const;
  // The member of a table, or null when there is none.
  const SourceValue* Find(std::string_view key) const;
};

struct SourceValue::Member {
  std::string key;
  // Where the key itself stands.
  std::string key_place;
  SourceValue value;
};

// Throw kInvalidArgument with the place of a syntax error.
SourceValue ParseToml(std::string_view text, std::string_view origin);
SourceValue ParseJson(std::string_view text, std::string_view origin);

// Throws kInvalidArgument "place: found <found>, expected <expected>".
[[noreturn]] void Refuse(const SourceValue& value, const std::string& expected);

// Typed access to a table of known keys. Every function throws kInvalidArgument with the place for
// a missing key, a wrong type or a value out of range. Bounds are inclusive.
class TableReader {
 public:
  // `what` names the table in messages: "[[layer]]". Refuses a table with any other key. The table
  // must outlive the reader.
  TableReader(const SourceValue& table, std::string what,
              const std::vector<std::string_view>& known_keys);

  const SourceValue& table() const { return table_; }
  // Null when absent.
  const SourceValue* Find(std::string_view key) const;
  const SourceValue& Require(std::string_view key, const std::string& expected) const;

  int64_t Int(std::string_view key, int64_t low, int64_t high) const;
  int64_t Int(std::string_view key, int64_t low, int64_t high, int64_t fallback) const;
  int IntOf(std::string_view key, std::span<const int> allowed) const;
  int IntOf(std::string_view key, std::span<const int> allowed, int fallback) const;
  double Real(std::string_view key, double low, double high) const;
  double Real(std::string_view key, double low, double high, double fallback) const;
  bool Bool(std::string_view key, bool fallback) const;
  std::string String(std::string_view key) const;
  std::string String(std::string_view key, std::string_view fallback) const;
  std::vector<std::string> Strings(std::string_view key) const;

 private:
  const SourceValue& table_;
  std::string what_;
};

// The value as a number of its range, or a refusal.
int64_t ExpectInt(const SourceValue& value, int64_t low, int64_t high);
double ExpectReal(const SourceValue& value, double low, double high);
const std::string& ExpectString(const SourceValue& value, const std::string& expected);

}  // namespace nasengine
