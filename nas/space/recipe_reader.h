// [recipe] of a space file. Private to nas/space.
// SPDX-License-Identifier: MIT
#pragma once

#include "nas/space/recipe.h"
#include "nas/space/source_value.h"

namespace nasengine {

// The published defaults with the values that the table names. Throws kInvalidArgument with the
// place of an unknown key, a wrong type or a value out of range.
Recipe ReadRecipe(const SourceValue& value);

}  // namespace nasengine
