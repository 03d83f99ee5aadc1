// The device as the engine sees it, and what kernels of the plug-in ask of it besides.
//
// All work of a device goes through one stream, in the order in which it is submitted. Copies of
// batches to come go through a second one (UploadQueue).
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/core/context.h"
#include "kernels/core/device_backend.h"
#include "kernels/cuda/runtime_api.h"

namespace nasengine::cuda {

class CudaBackend : public DeviceBackend {
 public:
  virtual cudaStream_t stream() const = 0;
  // For the sizes of grids: blocks enough to fill the device.
  virtual int multiprocessors() const = 0;
  // Of the cache that all multiprocessors share.
  virtual std::int64_t cache_bytes() const = 0;
  // Itself, or the device behind a backend for planning: where plans may be tried.
  virtual CudaBackend& real() { return *this; }
};

// Throws kDevice, "no CUDA device (...)", where there is none of this number. `host_visible`: see
// kernels/core/device_plugin.h.
std::unique_ptr<CudaBackend> MakeCudaBackend(int ordinal, bool host_visible);

inline const CudaBackend& BackendOf(const Context& context) {
  return static_cast<const CudaBackend&>(context.backend());
}
inline cudaStream_t StreamOf(const Context& context) { return BackendOf(context).stream(); }

}  // namespace nasengine::cuda
