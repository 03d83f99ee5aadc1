// Names of kernels as tables and reports have them.
// SPDX-License-Identifier: MIT
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <regex>
#include <string>

namespace nasengine::cuda {

inline std::string Demangled(const std::string& symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : symbol;
}

// "nasengine::cuda::(anonymous namespace)::BatchNormApply<float, 4>(float const*, ...)" without
// parameters, return type and namespaces: "BatchNormApply<float, 4>".
inline std::string ShortName(const std::string& symbol) {
  std::string name = std::regex_replace(Demangled(symbol), std::regex("nasengine::|cuda::"), "");
  name = std::regex_replace(name, std::regex("\\(anonymous namespace\\)::"), "");
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '<') ++depth;
    if (c == '>') --depth;
    if (depth == 0 && c == ' ') begin = i + 1;
    if (depth == 0 && c == '(') return name.substr(begin, i - begin);
  }
  return name;
}

}  // namespace nasengine::cuda
