// The process's one logger.
// SPDX-License-Identifier: MIT
#include "kernels/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

namespace nasengine {
namespace {

spdlog::logger& Logger() {
  // Never destroyed: frees that run while the program ends may still log.
  static spdlog::logger* const logger = [] {
    auto* created =
        new spdlog::logger("nasengine", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("%v");
    return created;
  }();
  return *logger;
}

}  // namespace

void LogInfo(const std::string& message) { Logger().info("{}", message); }
void LogWarning(const std::string& message) { Logger().warn("warning: {}", message); }
void LogError(const std::string& message) { Logger().error("error: {}", message); }
void SetLogQuiet() { Logger().set_level(spdlog::level::warn); }

}  // namespace nasengine
