// SPDX-License-Identifier: MIT
#include "kernels/cuda/cuda_backend.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/core/error.h"
#include "kernels/cuda/cuda_check.h"

namespace nasengine::cuda {
namespace {

// Makes a device the calling thread's for the life of the object.
class DeviceGuard {
 public:
  explicit DeviceGuard(int ordinal) {
    NAS_CUDA_CHECK(cudaGetDevice(&before_));
    if (before_ != ordinal) NAS_CUDA_CHECK(cudaSetDevice(ordinal));
    changed_ = before_ != ordinal;
  }
  ~DeviceGuard() {
    if (changed_) cudaSetDevice(before_);
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  int before_ = 0;
  bool changed_ = false;
};

// A stream, destroyed with its owner.
class Stream {
 public:
  Stream() { NAS_CUDA_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  explicit Event(unsigned flags = cudaEventDisableTiming) {
    NAS_CUDA_CHECK(cudaEventCreateWithFlags(&event_, flags));
  }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

// Tickets number a ring of events. One that the ring has passed is waited for by a later one of
// the same stream, which is done after it.
class CudaUploadQueue final : public UploadQueue {
 public:
  CudaUploadQueue(int ordinal, cudaStream_t compute) : ordinal_(ordinal), compute_(compute) {}

  void* AllocateStaging(std::size_t bytes) override {
    const DeviceGuard guard(ordinal_);
    void* data = nullptr;
    NAS_CUDA_CHECK(cudaMallocHost(&data, bytes));
    return data;
  }

  void FreeStaging(void* data) noexcept override { cudaFreeHost(data); }

  Ticket Submitted() override {
    const DeviceGuard guard(ordinal_);
    return submitted_.Record(compute_);
  }

  Ticket Upload(void* device_to, const void* staging_from, std::size_t bytes,
                Ticket after) override {
    const DeviceGuard guard(ordinal_);
    if (after != 0) submitted_.WaitOn(after, copies_.get());
    NAS_CUDA_CHECK(
        cudaMemcpyAsync(device_to, staging_from, bytes, cudaMemcpyHostToDevice, copies_.get()));
    return uploaded_.Record(copies_.get());
  }

  void Await(Ticket upload) override {
    const DeviceGuard guard(ordinal_);
    uploaded_.WaitOn(upload, compute_);
  }

  void Finish(Ticket upload) override {
    const DeviceGuard guard(ordinal_);
    uploaded_.Synchronize(upload);
  }

 private:
  class Ring {
   public:
    Ticket Record(cudaStream_t stream) {
      const std::lock_guard lock(mutex_);
      ++last_;
      NAS_CUDA_CHECK(cudaEventRecord(At(last_), stream));
      return last_;
    }
    void WaitOn(Ticket ticket, cudaStream_t stream) {
      const std::lock_guard lock(mutex_);
      NAS_CUDA_CHECK(cudaStreamWaitEvent(stream, At(ticket), 0));
    }
    void Synchronize(Ticket ticket) { NAS_CUDA_CHECK(cudaEventSynchronize(At(ticket))); }

   private:
    static constexpr std::size_t kEvents = 16;
    cudaEvent_t At(Ticket ticket) { return events_[ticket % kEvents].get(); }

    std::mutex mutex_;
    Ticket last_ = 0;
    std::array<Event, kEvents> events_;
  };

  int ordinal_;
  cudaStream_t compute_;
  Stream copies_;
  Ring submitted_;
  Ring uploaded_;
};

// Addresses of memory that nobody has, aligned as the device's; everything else is the device's.
// `real` must outlive it.
class PlanningBackend final : public CudaBackend {
 public:
  explicit PlanningBackend(CudaBackend& real) : real_(real) {}

  Device device() const override { return real_.device(); }
  std::string name() const override { return real_.name(); }
  std::vector<std::string> capabilities() const override { return real_.capabilities(); }
  bool host_visible() const override { return false; }
  std::size_t free_bytes() const override { return real_.free_bytes(); }
  cudaStream_t stream() const override { return real_.stream(); }
  int multiprocessors() const override { return real_.multiprocessors(); }
  std::int64_t cache_bytes() const override { return real_.cache_bytes(); }
  CudaBackend& real() override { return real_; }

  void* Allocate(std::size_t bytes) override {
    void* data = mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data == MAP_FAILED ? nullptr : data;
  }
  void Free(void* data, std::size_t bytes) noexcept override {
    munmap(data, std::max<std::size_t>(bytes, 1));
  }
  void CopyFromHost(void* /*to*/, const void* /*from*/, std::size_t /*bytes*/) override {}
  void CopyToHost(void* to, const void* /*from*/, std::size_t bytes) override {
    if (bytes > 0) std::memset(to, 0, bytes);
  }
  void CopyOnDevice(void* /*to*/, const void* /*from*/, std::size_t /*bytes*/) override {}
  void Synchronize() override {}
  double Seconds(const std::function<void()>& work) override {
    work();
    return 0;
  }
  std::unique_ptr<UploadQueue> MakeUploadQueue() override { return nullptr; }
  std::unique_ptr<DeviceBackend> ForPlanning() override {
    return std::make_unique<PlanningBackend>(real_);
  }

 private:
  CudaBackend& real_;
};

class Backend final : public CudaBackend {
 public:
  Backend(int ordinal, bool host_visible) : ordinal_(ordinal), host_visible_(host_visible) {
    NAS_CUDA_CHECK(cudaGetDeviceProperties(&properties_, ordinal));
    started_ = std::make_unique<Event>(cudaEventDefault);
    stopped_ = std::make_unique<Event>(cudaEventDefault);
  }

  Device device() const override { return {DeviceType::kCuda, ordinal_}; }
  std::string name() const override { return properties_.name; }
  std::vector<std::string> capabilities() const override {
    return {"sm_" + std::to_string(10 * properties_.major + properties_.minor)};
  }

  bool host_visible() const override { return host_visible_; }
  std::size_t free_bytes() const override {
    const DeviceGuard guard(ordinal_);
    std::size_t free = 0;
    std::size_t total = 0;
    NAS_CUDA_CHECK(cudaMemGetInfo(&free, &total));
    return free;
  }

  cudaStream_t stream() const override { return stream_.get(); }
  int multiprocessors() const override { return properties_.multiProcessorCount; }
  std::int64_t cache_bytes() const override { return properties_.l2CacheSize; }

  void* Allocate(std::size_t bytes) override {
    const DeviceGuard guard(ordinal_);
    void* data = nullptr;
    const std::size_t some = bytes == 0 ? 1 : bytes;
    const cudaError_t error = host_visible_ ? cudaMallocManaged(&data, some, cudaMemAttachGlobal)
                                            : cudaMalloc(&data, some);
    if (error == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());  // an allocation that failed harms nothing after it
      return nullptr;
    }
    Check(error, "cudaMalloc");
    NAS_CUDA_CHECK(cudaMemsetAsync(data, 0, bytes, stream_.get()));
    if (host_visible_) Synchronize();  // before the host writes into it
    return data;
  }

  void Free(void* data, std::size_t /*bytes*/) noexcept override { cudaFree(data); }

  void CopyFromHost(void* device_to, const void* host_from, std::size_t bytes) override {
    Copy(device_to, host_from, bytes, cudaMemcpyHostToDevice);
  }
  void CopyToHost(void* host_to, const void* device_from, std::size_t bytes) override {
    Copy(host_to, device_from, bytes, cudaMemcpyDeviceToHost);
    Synchronize();
  }
  void CopyOnDevice(void* to, const void* from, std::size_t bytes) override {
    Copy(to, from, bytes, cudaMemcpyDeviceToDevice);
  }

  void Synchronize() override { NAS_CUDA_CHECK(cudaStreamSynchronize(stream_.get())); }

  double Seconds(const std::function<void()>& work) override {
    const DeviceGuard guard(ordinal_);
    NAS_CUDA_CHECK(cudaEventRecord(started_->get(), stream_.get()));
    work();
    NAS_CUDA_CHECK(cudaEventRecord(stopped_->get(), stream_.get()));
    NAS_CUDA_CHECK(cudaEventSynchronize(stopped_->get()));
    float milliseconds = 0;
    NAS_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, started_->get(), stopped_->get()));
    return 1e-3 * double{milliseconds};
  }

  std::unique_ptr<UploadQueue> MakeUploadQueue() override {
    const DeviceGuard guard(ordinal_);
    return std::make_unique<CudaUploadQueue>(ordinal_, stream_.get());
  }

  std::unique_ptr<DeviceBackend> ForPlanning() override {
    return std::make_unique<PlanningBackend>(*this);
  }

 private:
  void Copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
    if (bytes == 0) return;
    const DeviceGuard guard(ordinal_);
    NAS_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, kind, stream_.get()));
    if (host_visible_) Synchronize();  // before the host reads or writes it
  }

  int ordinal_;
  bool host_visible_;
  cudaDeviceProp properties_{};
  Stream stream_;
  std::unique_ptr<Event> started_;
  std::unique_ptr<Event> stopped_;
};

}  // namespace

std::unique_ptr<CudaBackend> MakeCudaBackend(int ordinal, bool host_visible) {
  int count = 0;  // which a failure leaves as it was
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) {
    Throw(ErrorCode::kDevice, "no CUDA device (", cudaGetErrorName(error), ": ",
          cudaGetErrorString(error), ")");
  }
  if (ordinal >= count) {
    Throw(ErrorCode::kDevice, "no CUDA device ", ordinal, " (there ",
          count == 1 ? "is 1: cuda:0" : StrCat("are ", count, ": cuda:0 to cuda:", count - 1), ")");
  }
  NAS_CUDA_CHECK(cudaSetDevice(ordinal));
  return std::make_unique<Backend>(ordinal, host_visible);
}

}  // namespace nasengine::cuda
