// Networks by name or from a file: the published ones, which are embedded in the program as TOML
// files in the grammar of spaces, and everything else that --network takes.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nas/space/network_desc.h"

namespace nasengine {

// Reads a network in the grammar of space files, in which every block has one operation. `origin`
// is the file name for messages, `width` the multiplier of its channels, which other than 1 goes
// into the name ("mobilenet-v2@0.75"). Throws kInvalidArgument as ParseSpace does, and for a block
// that leaves a choice.
NetworkDesc ParseNetwork(std::string_view toml, std::string_view origin, double width = 1.0);

// A built-in network ("mobilenet-v2", "mobilenet-v2@0.75"), otherwise the file of that path: TOML
// where its name ends so, else JSON, an architecture.json or a released description. Throws
// kNotFound that lists the built-in names when there is neither.
NetworkDesc LoadNetwork(const std::string& name_or_path);

// Whether LoadNetwork takes the text for a built-in network, with or without a width.
bool IsBuiltinNetwork(std::string_view name);
std::vector<std::string> BuiltinNetworkNames();

}  // namespace nasengine
