// The only file that sees CLI11.
// SPDX-License-Identifier: MIT
#include "nas/cli/flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/source_value.h"

namespace nasengine {
namespace {

constexpr char kConfigFlag[] = "--config";

// How many letters must be added, taken away or changed to make one word of the other
// (Levenshtein).
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

// A value of a configuration file as the command line would give it.
std::string TextOf(const SourceValue& value) {
  switch (value.kind) {
    case SourceValue::Kind::kString:
      return value.text;
    case SourceValue::Kind::kInteger:
      return std::to_string(value.integer);
    case SourceValue::Kind::kReal:
      return fmt::format("{}", value.real);
    case SourceValue::Kind::kBoolean:
      return value.boolean ? "true" : "false";
    default:
      Refuse(value, "a text, a number, true or false");
  }
}

}  // namespace

struct Flags::State {
  State(std::string name, const std::string& description)
      : command(std::move(name)), app(description, "nasengine " + command) {
    app.set_help_flag("--help,-h", "Print this and exit");
    app.get_formatter()->column_width(34);
  }

  CLI::Option* Finish(CLI::Option* option, const std::string& placeholder) {
    if (!group.empty()) option->group(group);
    option->take_last();
    if (!placeholder.empty()) option->type_name(placeholder);
    return option;
  }

  // The arguments of the configuration file, before which the command line's come to count.
  std::vector<std::string> ReadConfig() {
    const SourceValue document = ParseToml(ReadFile(config_path), config_path);
    std::vector<std::string> arguments;
    for (const SourceValue::Member& member : document.members) {
      if (const auto table = tables.find(member.key); table != tables.end()) {
        parsed.emplace_back([read = table->second, value = member.value] { read(value); });
        continue;
      }
      const std::string flag = "--" + member.key;
      if (flag == kConfigFlag || flag == "--help" || app.get_option_no_throw(flag) == nullptr) {
        Throw(ErrorCode::kInvalidArgument, member.key_place, ": found key '", member.key,
              "', expected the name of a flag of 'nasengine ", command, "'");
      }
      arguments.push_back(flag + "=" + TextOf(member.value));
    }
    return arguments;
  }

  // CLI11 takes the arguments in reverse.
  void Run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    app.parse(std::move(arguments));
  }

  // The first flag that does not exist, or a word that belongs to none.
  std::string WhatWasNotExpected() const {
    const std::vector<std::string> words = app.remaining();
    const auto unknown = std::ranges::find_if(
        words, [](const std::string& word) { return word.starts_with("-") && word != "--"; });
    if (unknown == words.end()) return fmt::format("found '{}', expected flags", words.front());
    const std::string flag = unknown->substr(0, unknown->find('='));
    std::string nearest;
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        const std::string other = "--" + name;
        if (nearest.empty() || EditDistance(flag, other) < EditDistance(flag, nearest)) {
          nearest = other;
        }
      }
    }
    // A third of the letters wrong is no misspelling.
    const bool is_near = 3 * EditDistance(flag, nearest) < flag.size();
    return fmt::format("unknown flag '{}'{}", flag,
                       is_near ? fmt::format(", did you mean '{}'?", nearest) : "");
  }

  std::string command;
  CLI::App app;
  std::string group;
  std::string config_path;
  std::map<std::string, std::function<void(const SourceValue&)>, std::less<>> tables;
  // Read after all flags are known to be right in form.
  std::vector<std::function<void()>> parsed;
};

Flags::Flags(std::string command, const std::string& description, const std::string& examples)
    : state_(std::make_unique<State>(std::move(command), description)) {
  state_->app.footer("\nExamples:\n" + examples);
}

Flags::~Flags() = default;

void Flags::Group(const std::string& name) { state_->group = name; }

void Flags::Add(const std::string& name, std::string& value, const std::string& placeholder,
                const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), placeholder);
}

void Flags::Add(const std::string& name, int& value, const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "N");
}

void Flags::Add(const std::string& name, std::int64_t& value, const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "N");
}

void Flags::Add(const std::string& name, std::uint32_t& value, const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "N");
}

void Flags::Add(const std::string& name, std::optional<int>& value, const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "N");
}

void Flags::Add(const std::string& name, std::optional<std::int64_t>& value,
                const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "N");
}

void Flags::Add(const std::string& name, double& value, const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "X");
}

void Flags::Add(const std::string& name, std::optional<double>& value, const std::string& help) {
  state_->Finish(state_->app.add_option(name, value, help), "X");
}

void Flags::AddRepeated(const std::string& name, std::vector<std::string>& values,
                        const std::string& placeholder, const std::string& help) {
  // One value an occurrence, so that what follows it is not taken for another.
  state_->Finish(state_->app.add_option(name, values, help)->expected(1), placeholder)->take_all();
}

void Flags::AddSwitch(const std::string& name, bool& value, const std::string& help) {
  state_->Finish(state_->app.add_flag(name, value, help), "");
}

void Flags::AddParsed(const std::string& name, const std::string& placeholder,
                      const std::string& help,
                      std::function<void(const std::string&, const std::string&)> read) {
  CLI::Option* option = state_->Finish(state_->app.add_option(name, help), placeholder);
  state_->parsed.emplace_back([option, name, read = std::move(read)] {
    if (option->count() > 0) read(name, option->as<std::string>());
  });
}

void Flags::AddConfigFile() {
  Add(kConfigFlag, state_->config_path, "FILE.toml", "Read flags from a TOML file; flags win");
}

void Flags::AddConfigTable(const std::string& name,
                           std::function<void(const SourceValue& table)> read) {
  state_->tables.emplace(name, std::move(read));
}

std::optional<int> Flags::Parse(Arguments arguments) {
  std::vector<std::string> words(arguments.begin(), arguments.end());
  try {
    state_->Run(words);
    if (!state_->config_path.empty()) {
      std::vector<std::string> all = state_->ReadConfig();
      all.insert(all.end(), words.begin(), words.end());
      state_->app.clear();
      state_->Run(std::move(all));
    }
  } catch (const CLI::CallForHelp&) {
    std::fputs(state_->app.help().c_str(), stdout);
    return kExitDone;
  } catch (const CLI::ExtrasError&) {
    return WrongUsage(state_->command, state_->WhatWasNotExpected());
  } catch (const CLI::ParseError& error) {
    return WrongUsage(state_->command, error.what());
  }
  for (const auto& read : state_->parsed) read();
  return std::nullopt;
}

int WrongUsage(const std::string& command, const std::string& message) {
  std::string line = message;
  std::replace(line.begin(), line.end(), '\n', ' ');
  fmt::print(stderr, "error: {} (see nasengine {} --help)\n", line, command);
  return kExitUsage;
}

}  // namespace nasengine
