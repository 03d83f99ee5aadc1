// The flags of one command: declared once, read from the command line and from a --config file,
// and explained by --help.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nas/cli/command.h"
#include "nas/space/source_value.h"

namespace nasengine {

class Flags {
 public:
  // `examples` are lines for --help.
  Flags(std::string command, const std::string& description, const std::string& examples);
  ~Flags();
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // The heading in --help for the flags that follow.
  void Group(const std::string& name);

  // A flag "--name" whose value goes to `value`, which stays as it is where the flag is not given.
  // `placeholder` stands for the value in --help; `help` says what it does and its default. The
  // last one counts where a flag is given twice.
  void Add(const std::string& name, std::string& value, const std::string& placeholder,
           const std::string& help);
  void Add(const std::string& name, int& value, const std::string& help);
  void Add(const std::string& name, std::int64_t& value, const std::string& help);
  void Add(const std::string& name, std::uint32_t& value, const std::string& help);
  void Add(const std::string& name, std::optional<int>& value, const std::string& help);
  void Add(const std::string& name, std::optional<std::int64_t>& value, const std::string& help);
  void Add(const std::string& name, double& value, const std::string& help);
  void Add(const std::string& name, std::optional<double>& value, const std::string& help);
  // A flag that may be given several times; all values count.
  void AddRepeated(const std::string& name, std::vector<std::string>& values,
                   const std::string& placeholder, const std::string& help);
  // Without a value: true where it is given.
  void AddSwitch(const std::string& name, bool& value, const std::string& help);
  // `read` gets the flag with its dashes and the text, and throws Error for a wrong one.
  void AddParsed(const std::string& name, const std::string& placeholder, const std::string& help,
                 std::function<void(const std::string& flag, const std::string& text)> read);

  // --config FILE: a TOML file with keys of the flags' names, which flags override.
  void AddConfigFile();
  // A table [name] that the file may have beside them; `read` gets it after the flags are read.
  void AddConfigTable(const std::string& name, std::function<void(const SourceValue& table)> read);

  // Reads the arguments. Returns an exit code where the program should end: help was printed on
  // stdout, or a wrong use was told in one line on stderr. Throws Error for an unknown or wrong key
  // of the configuration file and for what AddParsed's functions throw.
  std::optional<int> Parse(Arguments arguments);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Tells a wrong use of `command` in one line on stderr; returns kExitUsage.
int WrongUsage(const std::string& command, const std::string& message);

}  // namespace nasengine
