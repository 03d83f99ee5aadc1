// What a space or a network consists of, as a table for people and as JSON for programs.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "nas/space/search_space.h"

namespace nasengine {

std::string InfoText(const SearchSpace& space);
std::string InfoText(const NetworkDesc& network);

// One JSON object, indented, ending in a newline. Space: input searchable_blocks
// architecture_parameters supernet_parameters networks_log10 largest{parameters,macs}
// smallest{parameters,macs} and more. Network: input parameters macs
// layers[{op,input,output,kernel,expand,stride,parameters,macs}] and more.
std::string InfoJson(const SearchSpace& space);
std::string InfoJson(const NetworkDesc& network);

}  // namespace nasengine
