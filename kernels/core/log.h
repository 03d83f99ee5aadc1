// Lines for people, on stderr so that stdout stays free for results. The sink is the one global.
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace nasengine {

void LogInfo(const std::string& message);
void LogWarning(const std::string& message);
void LogError(const std::string& message);
// Below warnings nothing is printed from now on.
void SetLogQuiet();

}  // namespace nasengine
