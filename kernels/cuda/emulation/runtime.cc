// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/runtime.h"

#include <sys/mman.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>

struct CUstream_st {};
struct CUevent_st {
  std::chrono::steady_clock::time_point time;
};

namespace nasengine::cuda::emulation {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kMemoryBytes = std::size_t{8} << 30;

bool Guarded() {
  const char* wanted = std::getenv("NASENGINE_EMULATED_GUARD");
  return wanted != nullptr && std::string_view(wanted) == "1";
}

// What cudaMalloc has given, and how many kernels and copies are at work.
struct DeviceMemory {
  std::recursive_mutex mutex;
  std::map<void*, std::size_t> guarded;
  int at_work = 0;

  void Protect(int protection) {
    for (const auto& [data, bytes] : guarded) mprotect(data, bytes, protection);
  }
};

DeviceMemory& Memory() {
  static DeviceMemory memory;
  return memory;
}

cudaError_t AllocateExactly(void** data, std::size_t bytes) {
  return posix_memalign(data, kAlignment, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation;
}

}  // namespace

DeviceAtWork::DeviceAtWork() {
  DeviceMemory& memory = Memory();
  memory.mutex.lock();
  if (memory.at_work++ == 0) memory.Protect(PROT_READ | PROT_WRITE);
}

DeviceAtWork::~DeviceAtWork() {
  DeviceMemory& memory = Memory();
  if (--memory.at_work == 0) memory.Protect(PROT_NONE);
  memory.mutex.unlock();
}

}  // namespace nasengine::cuda::emulation

using nasengine::cuda::emulation::AllocateExactly;
using nasengine::cuda::emulation::DeviceAtWork;
using nasengine::cuda::emulation::Memory;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorStubLibrary:
      return "cudaErrorStubLibrary";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
  }
  return "unknown";
}

const char* cudaGetErrorString(cudaError_t /*error*/) { return "emulated"; }
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
// Few multiprocessors, so that grids that are to fill the device stay small.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int /*ordinal*/) {
  *properties = {.name = "emulated CUDA device", .major = 9, .minor = 0, .multiProcessorCount = 4};
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (!nasengine::cuda::emulation::Guarded()) return AllocateExactly(data, bytes);
  const DeviceAtWork at_work;
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return cudaErrorMemoryAllocation;
  Memory().guarded[pages] = bytes;
  *data = pages;
  return cudaSuccess;
}

cudaError_t cudaMallocManaged(void** data, std::size_t bytes, unsigned /*flags*/) {
  return AllocateExactly(data, bytes);
}
cudaError_t cudaMallocHost(void** data, std::size_t bytes) { return AllocateExactly(data, bytes); }

cudaError_t cudaFree(void* data) {
  const DeviceAtWork at_work;
  auto& guarded = Memory().guarded;
  const auto found = guarded.find(data);
  if (found == guarded.end()) {
    std::free(data);
  } else {
    munmap(data, found->second);
    guarded.erase(found);
  }
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* data) {
  std::free(data);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  *free_bytes = *total_bytes = nasengine::cuda::emulation::kMemoryBytes;
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

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind /*kind*/,
                            cudaStream_t /*stream*/) {
  const DeviceAtWork at_work;
  std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t /*stream*/) {
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
