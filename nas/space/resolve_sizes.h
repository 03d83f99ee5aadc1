// Turns a space whose layers say only strides and output channels into one in which every layer
// knows its input and output size. Private to nas/space: the file reader and WithData() use it.
// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>

#include "nas/space/search_space.h"

namespace nasengine {

// Fills in and out of every layer from space.input, space.classes and the layers' inputs, strides
// and out.c. places[i] is what a message about node i starts with. Throws kInvalidArgument for an
// unknown input, a name given twice, an output that nothing uses, a stride 2 on a map of one row or
// column, a Zero in a block that changes size, and a chain that does not end in its one classifier.
void ResolveSizes(SearchSpace& space, std::span<const std::string> places);

}  // namespace nasengine
