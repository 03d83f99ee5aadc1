// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/runtime.h"

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/emulation/device_memory.h"

using nasengine::cuda::emulation::DeviceAtWork;
using nasengine::cuda::emulation::DeviceMemory;
using nasengine::cuda::emulation::MemoryKind;

// NOLINTBEGIN(readability-identifier-naming)

struct CUstream_st {};
struct CUevent_st {
  std::chrono::steady_clock::time_point time;
};

namespace {

struct ErrorText {
  cudaError_t error;
  const char* name;
  const char* text;
};

const ErrorText& TextOf(cudaError_t error) {
  static constexpr ErrorText kTexts[] = {
      {cudaSuccess, "cudaSuccess", "no error"},
      {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
      {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
      {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
       "invalid configuration argument"},
      {cudaErrorStubLibrary, "cudaErrorStubLibrary", "CUDA driver is a stub library"},
      {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
       "CUDA driver version is insufficient for CUDA runtime version"},
      {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
      {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
  };
  static constexpr ErrorText kUnknown = {cudaSuccess, "unrecognized error code",
                                         "unrecognized error code"};
  for (const ErrorText& known : kTexts) {
    if (known.error == error) return known;
  }
  return kUnknown;
}

cudaError_t Allocate(void** data, std::size_t bytes, MemoryKind kind) {
  void* found = DeviceMemory::Get().Allocate(bytes, kind);
  if (found == nullptr) return cudaErrorMemoryAllocation;
  *data = found;
  return cudaSuccess;
}

cudaError_t Free(void* data, bool host) {
  if (data == nullptr || DeviceMemory::Get().Free(data, host)) return cudaSuccess;
  return cudaErrorInvalidValue;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) { return TextOf(error).name; }
const char* cudaGetErrorString(cudaError_t error) { return TextOf(error).text; }
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  const char* error = std::getenv("NASENGINE_EMULATED_ERROR");
  if (error != nullptr && *error != '\0') return static_cast<cudaError_t>(std::atoi(error));
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* ordinal) {
  *ordinal = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int ordinal) {
  return ordinal == 0 ? cudaSuccess : cudaErrorInvalidDevice;
}
// An H100's, but for few multiprocessors, so that grids that are to fill the device stay small, and
// for a small cache, so that small tensors exceed it.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  if (ordinal != 0) return cudaErrorInvalidDevice;
  *properties = {.name = "emulated CUDA device",
                 .major = 9,
                 .minor = 0,
                 .multiProcessorCount = 4,
                 .l2CacheSize = 256 << 10};
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  return Allocate(data, bytes, MemoryKind::kDevice);
}
cudaError_t cudaMallocManaged(void** data, std::size_t bytes, unsigned /*flags*/) {
  return Allocate(data, bytes, MemoryKind::kManaged);
}
cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  return Allocate(data, bytes, MemoryKind::kHost);
}
cudaError_t cudaFree(void* data) { return Free(data, /*host=*/false); }
cudaError_t cudaFreeHost(void* data) { return Free(data, /*host=*/true); }
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  *free_bytes = DeviceMemory::kTotalBytes - DeviceMemory::Get().used_bytes();
  *total_bytes = DeviceMemory::kTotalBytes;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t /*stream*/) { return cudaSuccess; }

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t /*stream*/) {
  if (bytes == 0) return cudaSuccess;
  DeviceMemory& memory = DeviceMemory::Get();
  const auto fits = [&](const void* data, bool on_device) {
    return on_device ? memory.OnDevice(data, bytes) : !memory.OnDeviceOnly(data);
  };
  if (!fits(to, kind != cudaMemcpyDeviceToHost) || !fits(from, kind != cudaMemcpyHostToDevice)) {
    return cudaErrorInvalidValue;
  }
  const DeviceAtWork at_work;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t /*stream*/) {
  if (bytes == 0) return cudaSuccess;
  if (!DeviceMemory::Get().OnDevice(data, bytes)) return cudaErrorInvalidValue;
  const DeviceAtWork at_work;
  std::memset(data, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned /*flags*/) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t /*stream*/) {
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t /*event*/) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  *milliseconds = std::chrono::duration<float, std::milli>(stop->time - start->time).count();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t /*stream*/, cudaEvent_t /*event*/,
                                unsigned /*flags*/) {
  return cudaSuccess;
}

// NOLINTEND(readability-identifier-naming)
