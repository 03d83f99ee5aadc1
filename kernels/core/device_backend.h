// What a device must provide: memory, copies and a name. The CPU's backend is built in; another
// device's comes from a plug-in that registers its backend and its kernels.
//
// Thread rule: every method may be called from any thread.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/device.h"

namespace nasengine {

// Copies to the device that run beside its computation, from memory that the device reads by
// itself. Tickets stand for points of time; 0 is long past.
class UploadQueue {
 public:
  using Ticket = std::uint64_t;

  virtual ~UploadQueue() = default;

  // Throws kOutOfMemory.
  virtual void* AllocateStaging(std::size_t bytes) = 0;
  virtual void FreeStaging(void* data) noexcept = 0;

  // When everything submitted to the device so far will be done.
  virtual Ticket Submitted() = 0;
  // Copies once `after`, a ticket of Submitted, is reached. `staging_from` must stay as it is until
  // Finish of the result.
  virtual Ticket Upload(void* device_to, const void* staging_from, std::size_t bytes,
                        Ticket after) = 0;
  // Lets what is submitted to the device from now on wait for `upload`; returns at once.
  virtual void Await(Ticket upload) = 0;
  // Returns when `upload` is done.
  virtual void Finish(Ticket upload) = 0;
};

class DeviceBackend {
 public:
  virtual ~DeviceBackend() = default;

  virtual Device device() const = 0;
  // The processor as the system names it, e.g. "AMD EPYC 9575F".
  virtual std::string name() const = 0;
  // The instruction sets or generations that kernels may be chosen by, the best that the device has
  // first, then those that it includes; one word each. Empty: nothing above the baseline.
  virtual std::vector<std::string> capabilities() const = 0;

  // Whether the host may read and write the device's memory by itself, once it is synchronised.
  virtual bool host_visible() const = 0;

  // Memory that nobody has taken yet.
  virtual std::size_t free_bytes() const = 0;
  // Returns `bytes` of zeroed device memory aligned to 64 bytes, or nullptr when the device has
  // none left. Memory that is never touched may stay uncommitted.
  virtual void* Allocate(std::size_t bytes) = 0;
  virtual void Free(void* data, std::size_t bytes) noexcept = 0;

  // Copies between the device and the host, in stream order; ToHost has arrived on return.
  virtual void CopyFromHost(void* device_to, const void* host_from, std::size_t bytes) = 0;
  virtual void CopyToHost(void* host_to, const void* device_from, std::size_t bytes) = 0;
  virtual void CopyOnDevice(void* to, const void* from, std::size_t bytes) = 0;

  // Returns once everything submitted so far has finished.
  virtual void Synchronize() = 0;

  // How long the device takes for what `work` submits, by the device's own clock. Returns when it
  // is done.
  virtual double Seconds(const std::function<void()>& work) = 0;

  // Null where the host writes into the device's memory itself.
  virtual std::unique_ptr<UploadQueue> MakeUploadQueue() = 0;

  // The device as it is, with memory that only seems to be there: whatever is allocated is given,
  // copies do nothing or, to the host, give zeros. For planning what a step needs.
  virtual std::unique_ptr<DeviceBackend> ForPlanning() = 0;
};

// Memory comes straight from mmap, with huge pages advised for blocks of 2 MiB and more.
// Capabilities: amx, avx512_bf16, avx512, avx2.
std::unique_ptr<DeviceBackend> MakeCpuBackend();

}  // namespace nasengine
