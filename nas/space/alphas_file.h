// alphas.json: the architecture parameters at the end of a search, block by block, written by a
// search and read by whoever wants the expectation over them again.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "nas/space/search_space.h"

namespace nasengine {

// One row a searchable block, one number a candidate.
using AlphaRows = std::vector<std::vector<double>>;

// The JSON document, ending in a newline: format, version, space, and of every block its name, its
// candidates' names and their alphas. Numbers have nine digits, enough for every f32.
std::string AlphasToJson(const SearchSpace& space, const AlphaRows& alphas);

// Reads one for `space`; a bare array of rows is taken too. `origin` is the file name for messages.
// Throws kInvalidArgument "origin: place: found ..., expected ..." for another format and for rows
// that are not those of the space.
AlphaRows AlphasFromJson(std::string_view json, std::string_view origin, const SearchSpace& space);

}  // namespace nasengine
