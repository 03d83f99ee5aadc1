// Recipes from TOML and back, by the list of their values.
// SPDX-License-Identifier: MIT
#include "nas/space/recipe_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>

#include "kernels/core/error.h"
#include "nas/space/builtin_files.h"
#include "nas/space/recipe_fields.h"

namespace nasengine {
namespace {

// Reads each value that the table names.
class FieldReader {
 public:
  explicit FieldReader(const TableReader& table) : table_(table) {}

  template <std::integral Integer>
  void operator()(std::string_view key, Integer& value, Integers limits) const {
    value = static_cast<Integer>(table_.Int(key, limits.low, limits.high, value));
  }
  void operator()(std::string_view key, double& value, Reals limits) const {
    value = table_.Real(key, limits.low, limits.high, value);
  }
  void operator()(std::string_view key, bool& value, Booleans) const {
    value = table_.Bool(key, value);
  }
  template <class Enum>
  void operator()(std::string_view key, Enum& value, Words words) const {
    const SourceValue* found = table_.Find(key);
    if (found == nullptr) return;
    const auto word = std::find(words.list.begin(), words.list.end(), found->text);
    if (found->kind != SourceValue::Kind::kString || word == words.list.end()) {
      Refuse(*found, fmt::format("'{}'", fmt::join(words.list, "' or '")));
    }
    value = static_cast<Enum>(word - words.list.begin());
  }
  void operator()(std::string_view key, std::optional<uint32_t>& value, Integers limits) const {
    const SourceValue* found = table_.Find(key);
    if (found != nullptr) {
      value = static_cast<uint32_t>(ExpectInt(*found, limits.low, limits.high));
    }
  }
  void operator()(std::string_view key, std::optional<double>& value, Reals limits) const {
    const SourceValue* found = table_.Find(key);
    if (found != nullptr) value = ExpectReal(*found, limits.low, limits.high);
  }
  void operator()(std::string_view key, std::vector<double>& value, Reals limits) const {
    const SourceValue* found = table_.Find(key);
    if (found == nullptr) return;
    if (found->kind != SourceValue::Kind::kArray) {
      Refuse(*found, "an array of numbers, one a channel, or [] for those of the images");
    }
    value.clear();
    for (const SourceValue& item : found->items) {
      value.push_back(ExpectReal(item, limits.low, limits.high));
    }
  }

 private:
  const TableReader& table_;
};

std::string ToToml(bool value, Booleans) { return value ? "true" : "false"; }
std::string ToToml(double value, Reals) { return RealToToml(value); }
template <std::integral Integer>
std::string ToToml(Integer value, Integers) {
  return std::to_string(value);
}
template <class Enum>
std::string ToToml(Enum value, Words words) {
  return fmt::format("\"{}\"", words.list[static_cast<size_t>(value)]);
}
// Nothing where the value is unset.
template <class Number, class Limits>
std::string ToToml(const std::optional<Number>& value, Limits limits) {
  return value ? ToToml(*value, limits) : "";
}
std::string ToToml(const std::vector<double>& values, Reals) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "[" : ", ") + RealToToml(value);
  return values.empty() ? "[]" : text + "]";
}

void CheckRecipe(const Recipe& recipe, const std::string& place) {
  NAS_CHECK(recipe.crop_min_area <= recipe.crop_max_area, place, ": found crop_min_area ",
            recipe.crop_min_area, " above crop_max_area ", recipe.crop_max_area,
            ", expected the smaller first");
  NAS_CHECK(recipe.crop_min_ratio <= recipe.crop_max_ratio, place, ": found crop_min_ratio ",
            recipe.crop_min_ratio, " above crop_max_ratio ", recipe.crop_max_ratio,
            ", expected the smaller first");
  NAS_CHECK(recipe.mean.size() == recipe.std.size(), place, ": found ", recipe.mean.size(),
            " numbers as mean and ", recipe.std.size(), " as std, expected one a channel in both");
}

}  // namespace

Recipe ReadRecipe(const SourceValue& value, const Recipe& base) {
  Recipe recipe = base;
  std::vector<std::string_view> keys;
  VisitRecipe(recipe, [&](std::string_view key, auto&, auto) { keys.push_back(key); });
  const TableReader table(value, "[recipe]", keys);
  VisitRecipe(recipe, FieldReader(table));
  CheckRecipe(recipe, value.place);
  return recipe;
}

void RequireRampWithinTraining(const Recipe& recipe) {
  NAS_CHECK(recipe.train_epochs == 0 || recipe.train_warmup_epochs < recipe.train_epochs,
            "recipe: found train_warmup_epochs ", recipe.train_warmup_epochs, " for ",
            recipe.train_epochs, " epochs of training, expected fewer");
}

std::string RealToToml(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string RecipeToToml(const Recipe& recipe, const std::vector<std::string_view>& except) {
  std::string text;
  VisitRecipe(recipe, [&](std::string_view key, const auto& value, auto limits) {
    if (std::find(except.begin(), except.end(), key) != except.end()) return;
    const std::string written = ToToml(value, limits);
    if (!written.empty()) text += fmt::format("{} = {}\n", key, written);
  });
  return text;
}

std::string RecipeDocument(const Recipe& recipe) {
  return "# How this network is trained: read by `nasengine train`, and by --config.\n[recipe]\n" +
         RecipeToToml(recipe);
}

std::vector<std::string_view> PresetNames() {
  std::vector<std::string_view> names;
  for (const BuiltinFile& preset : BuiltinPresets()) names.push_back(preset.name);
  return names;
}

Recipe PresetRecipe(std::string_view name, const Recipe& base) {
  for (const BuiltinFile& preset : BuiltinPresets()) {
    if (preset.name != name) continue;
    const SourceValue document = ParseToml(preset.text, fmt::format("{}.toml", name));
    const TableReader table(document, "a preset", {"recipe"});
    return ReadRecipe(table.Require("recipe", "a table"), base);
  }
  Throw(ErrorCode::kNotFound, "preset: found '", name, "', expected one of ",
        fmt::format("{}", fmt::join(PresetNames(), ", ")));
}

}  // namespace nasengine
