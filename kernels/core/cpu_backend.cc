// The host as a device: memory from mmap, copies by memcpy, nothing asynchronous.
// SPDX-License-Identifier: MIT
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>

#include "kernels/core/amx.h"
#include "kernels/core/device_backend.h"

namespace nasengine {
namespace {

constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

std::size_t RoundUp(std::size_t bytes, std::size_t multiple) {
  return (bytes + multiple - 1) / multiple * multiple;
}

std::size_t MappedBytes(std::size_t bytes) {
  static const std::size_t page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return RoundUp(bytes == 0 ? 1 : bytes, page_bytes);
}

std::byte* Map(std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

// The kernel backs only aligned 2 MiB stretches with huge pages, so a block starts on such a
// boundary: one huge page more is mapped and what sticks out on either side is given back.
std::byte* MapHugeAligned(std::size_t bytes) {
  std::byte* data = Map(bytes + kHugePageBytes);
  if (data == nullptr) return nullptr;
  const auto address = reinterpret_cast<std::uintptr_t>(data);
  const std::size_t before = RoundUp(address, kHugePageBytes) - address;
  const std::size_t after = kHugePageBytes - before;
  if (before > 0) munmap(data, before);
  if (after > 0) munmap(data + before + bytes, after);
  madvise(data + before, bytes, MADV_HUGEPAGE);  // only advice: a refusal costs speed alone
  return data + before;
}

#if defined(__x86_64__)
std::vector<std::string> CpuCapabilities() {
  const bool avx2 = __builtin_cpu_supports("avx2") != 0;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") != 0;
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16") != 0;
  std::vector<std::string> found;
  if (bf16 && HasAmxBf16()) found.emplace_back("amx");
  if (bf16) found.emplace_back("avx512_bf16");
  if (avx512) found.emplace_back("avx512");
  if (avx2) found.emplace_back("avx2");
  return found;
}
#else
std::vector<std::string> CpuCapabilities() { return {}; }
#endif

class CpuBackend final : public DeviceBackend {
 public:
  Device device() const override { return {DeviceType::kCpu, 0}; }

  std::string name() const override {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);) {
      const std::size_t colon = line.find(": ");
      if (line.starts_with("model name") && colon != std::string::npos) {
        return line.substr(colon + 2);
      }
    }
    return "unknown CPU";
  }

  std::vector<std::string> capabilities() const override { return CpuCapabilities(); }
  bool host_visible() const override { return true; }
  std::size_t free_bytes() const override {
    return static_cast<std::size_t>(sysconf(_SC_AVPHYS_PAGES)) *
           static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  }

  void* Allocate(std::size_t bytes) override {
    if (bytes > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
    const std::size_t mapped = MappedBytes(bytes);
    return bytes >= kHugePageBytes ? MapHugeAligned(mapped) : Map(mapped);
  }

  void Free(void* data, std::size_t bytes) noexcept override {
    if (data != nullptr) munmap(data, MappedBytes(bytes));
  }

  void CopyFromHost(void* device_to, const void* host_from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(device_to, host_from, bytes);
  }

  void CopyToHost(void* host_to, const void* device_from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(host_to, device_from, bytes);
  }

  void CopyOnDevice(void* to, const void* from, std::size_t bytes) override {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }

  void Synchronize() override {}

  double Seconds(const std::function<void()>& work) override {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::unique_ptr<UploadQueue> MakeUploadQueue() override { return nullptr; }

  // Memory stays uncommitted until it is touched, so that this one serves.
  std::unique_ptr<DeviceBackend> ForPlanning() override { return std::make_unique<CpuBackend>(); }
};

}  // namespace

std::unique_ptr<DeviceBackend> MakeCpuBackend() { return std::make_unique<CpuBackend>(); }

}  // namespace nasengine
