// [recipe] of a space file, and of a configuration that changes single values of it.
// SPDX-License-Identifier: MIT
#pragma once

#include "nas/space/recipe.h"
#include "nas/space/source_value.h"

namespace nasengine {

// `base`, by default the published values, with the values that the table names. Throws
// kInvalidArgument with the place of an unknown key, a wrong type or a value out of range.
Recipe ReadRecipe(const SourceValue& value, const Recipe& base = {});

}  // namespace nasengine
