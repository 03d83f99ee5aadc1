// The spaces, networks and presets embedded in the program, as the text of their TOML files.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include "kernels/core/builtin_file.h"

namespace nasengine {

// The default space first.
std::span<const BuiltinFile> BuiltinSpaces();
std::span<const BuiltinFile> BuiltinNetworks();
std::span<const BuiltinFile> BuiltinPresets();

}  // namespace nasengine
