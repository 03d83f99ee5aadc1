// What a JSON parser lets pass and a table of measurements must not. Private to nas/latency.
// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace nasengine {

// Throws kInvalidArgument "origin: place: found ..., expected ..." for text that is not JSON, a key
// that an object has twice (a parser keeps one of the two in silence), and a number that no double
// holds.
void CheckStrictJson(std::string_view text, std::string_view origin);

}  // namespace nasengine
