// Running a test once on every instruction set that our kernels are compiled for and this machine
// has, whichever of them the program would choose. Include before any Highway header.
// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "kernels/core/highway_targets.h"
//
#include <hwy/detect_targets.h>
#include <hwy/targets.h>

namespace nasengine {

// Calls body() with each instruction set forced in turn, its name on failures; afterwards the
// machine's best one is chosen again.
template <class Body>
void ForEachInstructionSet(const Body& body) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    body();
    hwy::SetSupportedTargetsForTest(0);
  }
}

}  // namespace nasengine
