// SPDX-License-Identifier: MIT
#include "kernels/core/kernel_recorder.h"

namespace nasengine {

RecordedWork KernelRecorder::Record(const std::function<void()>& work) {
  // What was noted before belongs to nobody; the room stays, so that noting allocates no more.
  runs_.clear();
  inside_kernel_ = false;
  RecordedWork recorded{.begin = now_()};
  work();
  recorded.end = now_();
  recorded.runs = runs_;
  return recorded;
}

}  // namespace nasengine
