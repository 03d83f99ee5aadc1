// SPDX-License-Identifier: MIT
#include "nas/space/network_zoo.h"

#include <charconv>
#include <filesystem>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/architecture_file.h"
#include "nas/space/builtin_files.h"
#include "nas/space/space_file.h"
#include "nas/space/width.h"

namespace nasengine {
namespace {

// "mobilenet-v2@0.75" in its two parts; `width` is empty where there is no '@'.
struct NameAndWidth {
  std::string_view name;
  std::string_view width;
};

NameAndWidth SplitWidth(std::string_view text) {
  const size_t at = text.find('@');
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

const BuiltinFile* FindBuiltin(std::string_view name) {
  for (const BuiltinFile& builtin : BuiltinNetworks()) {
    if (builtin.name == name) return &builtin;
  }
  return nullptr;
}

double ReadWidth(std::string_view network) {
  const std::string_view text = SplitWidth(network).width;
  double width = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), width);
  NAS_CHECK(error == std::errc() && end == text.data() + text.size(), "network '", network,
            "': found the width '", text, "', expected a number such as 0.75");
  CheckWidth(StrCat("network '", network, "'"), width);
  return width;
}

}  // namespace

NetworkDesc ParseNetwork(std::string_view toml, std::string_view origin, double width) {
  const SearchSpace space = ParseSpace(toml, origin, width);
  const std::vector<const ChoiceNode*> choices = space.Choices();
  if (!choices.empty()) {
    Throw(ErrorCode::kInvalidArgument, origin, ": found ", choices.front()->candidates.size(),
          " candidates in ", choices.front()->name,
          ", expected one operation for every block of a network");
  }
  NetworkDesc network = Derive(space, {});
  network.space.clear();
  if (width != 1.0) network.name = StrCat(network.name, "@", width);
  return network;
}

NetworkDesc LoadNetwork(const std::string& name_or_path) {
  const auto [name, width] = SplitWidth(name_or_path);
  if (const BuiltinFile* builtin = FindBuiltin(name)) {
    const bool has_width = name.size() < name_or_path.size();
    return ParseNetwork(builtin->text, StrCat(name, ".toml"),
                        has_width ? ReadWidth(name_or_path) : 1.0);
  }
  if (!std::filesystem::exists(name_or_path)) {
    std::string names;
    for (const std::string& known : BuiltinNetworkNames()) names += " " + known;
    Throw(ErrorCode::kNotFound, "network '", name_or_path,
          "': found neither a built-in network nor a file, expected architecture.json, a TOML file "
          "or one of",
          names);
  }
  if (name_or_path.ends_with(".toml")) return ParseNetwork(ReadFile(name_or_path), name_or_path);
  return LoadArchitecture(name_or_path);
}

bool IsBuiltinNetwork(std::string_view name) {
  return FindBuiltin(SplitWidth(name).name) != nullptr;
}

std::vector<std::string> BuiltinNetworkNames() {
  std::vector<std::string> names;
  for (const BuiltinFile& builtin : BuiltinNetworks()) names.emplace_back(builtin.name);
  return names;
}

}  // namespace nasengine
