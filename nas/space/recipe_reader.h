// [recipe] of a space file, of a preset, and of a configuration that changes single values of it.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nas/space/recipe.h"
#include "nas/space/source_value.h"

namespace nasengine {

// `base`, by default the published values, with the values that the table names. Throws
// kInvalidArgument with the place of an unknown key, a wrong type, a value out of range, or values
// that contradict each other.
Recipe ReadRecipe(const SourceValue& value, const Recipe& base = {});

// Throws kInvalidArgument where training would end before its rate has risen to the full one.
void RequireRampWithinTraining(const Recipe& recipe);

// A TOML float: the shortest text that reads back to the same number.
std::string RealToToml(double value);

// The values of `recipe` as lines of TOML, "key = value", but for those named in `except`; what
// ReadRecipe reads back over any recipe that leaves the same values unset.
std::string RecipeToToml(const Recipe& recipe, const std::vector<std::string_view>& except = {});

// All of it as a file, [recipe] and nothing else, which a run leaves beside its network's
// architecture.json under this name.
inline constexpr std::string_view kRecipeFile = "recipe.toml";
std::string RecipeDocument(const Recipe& recipe);

// Whole recipes by name, embedded in the program: "official" and others. PresetRecipe is `base`
// with the values of one; throws kNotFound with the list of names.
std::vector<std::string_view> PresetNames();
Recipe PresetRecipe(std::string_view name, const Recipe& base);

}  // namespace nasengine
