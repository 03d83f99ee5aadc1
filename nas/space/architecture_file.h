// architecture.json: a network's description on disk, written by a search and read by training,
// evaluation, measuring and export. Versioned; anything unknown or inconsistent is refused.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "nas/space/network_desc.h"

namespace nasengine {

// The JSON document, ending in a newline; the same network gives the same bytes.
std::string ArchitectureToJson(const NetworkDesc& network);

// Reads one, or a description released by the paper's authors (nas/space/released_network.h).
// `origin` is the file name for messages. Throws kInvalidArgument
// "origin: place: found ..., expected ...".
NetworkDesc ArchitectureFromJson(std::string_view json, std::string_view origin);

// The same from and to a file (written aside, synced, renamed). Also throw kIo and kNotFound.
NetworkDesc LoadArchitecture(const std::string& path);
void SaveArchitecture(const std::string& path, const NetworkDesc& network);

}  // namespace nasengine
