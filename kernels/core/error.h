// The one exception type, and the checks that throw it.
//
// NAS_CHECK is for anything a caller or a file can get wrong; its message carries the numbers.
// NAS_DCHECK is for our own bugs and vanishes in Release. Only the program's main catches.
// SPDX-License-Identifier: MIT
#pragma once

#include <cassert>
#include <sstream>
#include <stdexcept>
#include <string>

namespace nasengine {

enum class ErrorCode { kInvalidArgument, kNotFound, kUnsupported, kIo, kDevice, kOutOfMemory };

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

// Joins the parts with operator<<.
template <class... Parts>
std::string StrCat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Throws Error{code, parts joined}.
template <class... Parts>
[[noreturn]] void Throw(ErrorCode code, const Parts&... parts) {
  throw Error(code, StrCat(parts...));
}

}  // namespace nasengine

// Throws Error{kInvalidArgument} with the joined parts unless `condition` holds.
#define NAS_CHECK(condition, ...)                                                \
  do {                                                                           \
    if (!(condition)) [[unlikely]]                                               \
      ::nasengine::Throw(::nasengine::ErrorCode::kInvalidArgument, __VA_ARGS__); \
  } while (false)

#define NAS_DCHECK(condition) assert(condition)
