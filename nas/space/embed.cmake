# Writes OUTPUT, a C++ source whose function FUNCTION returns the TOML files of NAMES (from FOLDER)
# as raw strings.
# Run as: cmake -DOUTPUT=... -DFOLDER=... -DNAMES=a,b -DFUNCTION=... -P embed.cmake
# SPDX-License-Identifier: MIT
string(REPLACE "," ";" names "${NAMES}")
list(LENGTH names count)
get_filename_component(folder "${FOLDER}" NAME)
set(text "// Generated from nas/space/${folder}/ by nas/space/embed.cmake.\n")
string(APPEND text "#include <array>\n\n#include \"nas/space/builtin_files.h\"\n\n")
string(APPEND text "namespace nasengine {\nnamespace {\n\n")
string(APPEND text "constexpr std::array<BuiltinFile, ${count}> kFiles{{\n")
foreach(name IN LISTS names)
  # Read as lines of text would lose brackets and semicolons; the hexadecimal form keeps each byte.
  file(READ "${FOLDER}/${name}.toml" content HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" content "${content}")
  # Strings of 65536 bytes are what every compiler must take; newlines make the lines short.
  string(REPLACE "\\x0a" "\\n\"\n     \"" content "${content}")
  string(APPEND text "    {\"${name}\",\n     \"${content}\"},\n")
endforeach()
string(APPEND text "}};\n\n}  // namespace\n\n")
string(APPEND text "std::span<const BuiltinFile> ${FUNCTION}() { return kFiles; }\n\n")
string(APPEND text "}  // namespace nasengine\n")
file(WRITE "${OUTPUT}" "${text}")
