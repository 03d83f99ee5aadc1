// Turns a status of cuDNN into our error. Included by *cudnn* files of the CUDA plug-in alone, and
// by the test that builds plans without a device.
// SPDX-License-Identifier: MIT
#pragma once

#include <cudnn_graph.h>

#include <string>
#include <string_view>

#include "kernels/core/error.h"

namespace nasengine::cuda {

// "CUDNN_STATUS_BAD_PARAM (dilated filter is larger than the image)": the status and the first line
// of what cuDNN noted about it, if anything.
inline std::string CudnnReason(cudnnStatus_t status) {
  char text[512] = "";
  cudnnGetLastErrorString(text, sizeof(text));
  std::string_view note = text;
  note = note.substr(0, note.find('\n'));
  constexpr std::string_view kReason = "Reason: ";
  if (const auto at = note.find(kReason); at != std::string_view::npos) {
    note.remove_prefix(at + kReason.size());
  }
  std::string reason = cudnnGetErrorString(status);
  if (!note.empty()) reason += StrCat(" (", note, ")");
  return reason;
}

// Throws kDevice, or kUnsupported where cuDNN does not do what was asked, unless `status` is a
// success.
inline void Check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  const int category = CUDNN_STATUS_CATEGORY(static_cast<int>(status));
  const bool refused = category == CUDNN_STATUS_BAD_PARAM || category == CUDNN_STATUS_NOT_SUPPORTED;
  Throw(refused ? ErrorCode::kUnsupported : ErrorCode::kDevice, what, ": ", CudnnReason(status));
}

}  // namespace nasengine::cuda

#define NAS_CUDNN_CHECK(call) ::nasengine::cuda::Check(call, #call)
