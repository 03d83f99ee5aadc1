// Whole files in and out. Results, checkpoints and descriptions are written so that a reader, or a
// run that is stopped half-way, finds either the old file or the new one and never a part.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace nasengine {

// The bytes of the file. Throws kNotFound when there is none, kIo (with the cause) otherwise.
std::string ReadFile(const std::string& path);

// Writes `path`.tmp-<pid> beside the target, syncs it, renames it over `path` and syncs the folder.
// Throws kIo that names the file and the cause (full disk, no such folder, no permission); the old
// file, if any, is then untouched and the temporary one removed.
void WriteFileAtomically(const std::string& path, std::string_view bytes);

}  // namespace nasengine
