// A pass over the parser's events.
// SPDX-License-Identifier: MIT
#include "nas/latency/strict_json.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

using Json = nlohmann::json;

class StrictReader final : public nlohmann::json_sax<Json> {
 public:
  StrictReader(std::string_view text, std::string_view origin) : text_(text), origin_(origin) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    objects_.emplace_back();
    return true;
  }
  bool key(string_t& name) override {
    NAS_CHECK(objects_.back().keys.insert(name).second, origin_, ": ", Path(name),
              ": found the key twice, expected it once");
    objects_.back().current = name;
    return true;
  }
  bool end_object() override {
    objects_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }

  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    const std::size_t end = std::min(text_.size(), position == 0 ? 0 : position - 1);
    const std::string_view before = text_.substr(0, end);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const bool overflows = dynamic_cast<const Json::out_of_range*>(&error) != nullptr;
    const std::string found = end == text_.size() && !overflows ? "the end of the text"
                                                                : StrCat("'", LastPart(token), "'");
    Throw(ErrorCode::kInvalidArgument, origin_, ":", line, ":", end - line_start + 1, ": found ",
          found, ", expected ", overflows ? "a finite number" : "valid JSON");
  }

 private:
  struct Object {
    std::set<std::string> keys;
    std::string current;
  };

  // A token comes with the white space before it, and may begin with the key of the value.
  static std::string LastPart(const std::string& token) {
    constexpr std::size_t kLongest = 40;
    constexpr std::string_view kAfterKey = "\": ";
    const std::size_t key = token.rfind(kAfterKey);
    const std::size_t start =
        key != std::string::npos ? key + kAfterKey.size() : token.find_first_not_of(" \t\r\n");
    std::string part = start == std::string::npos ? "" : token.substr(start, kLongest);
    std::replace_if(
        part.begin(), part.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    return part;
  }

  std::string Path(const std::string& name) const {
    std::string path;
    for (std::size_t i = 0; i + 1 < objects_.size(); ++i) path += StrCat(objects_[i].current, ".");
    return path + name;
  }

  std::string_view text_;
  std::string_view origin_;
  std::vector<Object> objects_;
};

}  // namespace

void CheckStrictJson(std::string_view text, std::string_view origin) {
  StrictReader reader(text, origin);
  Json::sax_parse(text, &reader);
}

}  // namespace nasengine
