// A file of the repository that is part of the program; kernels/cmake/NasengineEmbed.cmake writes
// the functions that return them.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace nasengine {

struct BuiltinFile {
  std::string_view name;  // without folder and extension
  std::string_view text;
};

}  // namespace nasengine
