// SPDX-License-Identifier: MIT
#include "nas/train/step_record.h"

namespace nasengine {

std::string_view Name(Phase phase) {
  switch (phase) {
    case Phase::kWarmup:
      return "warmup";
    case Phase::kWeight:
      return "weight";
    case Phase::kArch:
      return "arch";
    case Phase::kTrain:
      return "train";
    case Phase::kEval:
      break;
  }
  return "eval";
}

}  // namespace nasengine
