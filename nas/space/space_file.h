// Search spaces from TOML: the built-in ones, which are embedded in the program, and the user's.
// The grammar is described in nas/space/README.md.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nas/space/search_space.h"

namespace nasengine {

// Reads a space; `origin` is the file name for messages, `width` the multiplier of its channels
// (nas/space/width.h). Throws kInvalidArgument "origin:line:column: found ..., expected ..." for
// anything unknown, missing or impossible.
SearchSpace ParseSpace(std::string_view toml, std::string_view origin, double width = 1.0);

// A built-in space by name, otherwise the file of that path. Throws kNotFound that lists the
// built-in names when there is neither.
SearchSpace LoadSpace(const std::string& name_or_path, double width = 1.0);

// Names of the built-in spaces, the default first.
std::vector<std::string> BuiltinSpaceNames();
bool IsBuiltinSpace(std::string_view name);

// The TOML text of a built-in space. Throws kNotFound.
std::string_view BuiltinSpaceText(std::string_view name);

}  // namespace nasengine
