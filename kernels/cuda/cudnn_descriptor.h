// Owner of a descriptor of cuDNN's backend API.
// SPDX-License-Identifier: MIT
#pragma once

#include <cudnn_graph.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "kernels/cuda/cudnn_check.h"

namespace nasengine::cuda {

// A descriptor of the backend API. Setting an attribute throws where cuDNN refuses it.
class CudnnDescriptor {
 public:
  CudnnDescriptor() = default;
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type) {
    Check(cudnnBackendCreateDescriptor(type, &descriptor_), "cuDNN: creating a descriptor");
  }
  ~CudnnDescriptor() {
    if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
  }
  CudnnDescriptor(CudnnDescriptor&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  CudnnDescriptor& operator=(CudnnDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return descriptor_; }
  bool defined() const { return descriptor_ != nullptr; }

  void Set(cudnnBackendAttributeName_t name, std::int64_t value) {
    Put(name, CUDNN_TYPE_INT64, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, std::span<const std::int64_t> values) {
    Put(name, CUDNN_TYPE_INT64, values.size(), values.data());
  }
  void Set(cudnnBackendAttributeName_t name, float value) {
    Put(name, CUDNN_TYPE_FLOAT, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
    Put(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, cudnnConvolutionMode_t value) {
    Put(name, CUDNN_TYPE_CONVOLUTION_MODE, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, cudnnBackendHeurMode_t value) {
    Put(name, CUDNN_TYPE_HEUR_MODE, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, cudnnHandle_t value) {
    Put(name, CUDNN_TYPE_HANDLE, 1, &value);
  }
  void Set(cudnnBackendAttributeName_t name, std::string_view text) {
    Put(name, CUDNN_TYPE_CHAR, text.size(), text.data());
  }
  void Set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
    Put(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value.descriptor_);
  }
  void SetPointers(cudnnBackendAttributeName_t name, std::span<void* const> values) {
    Put(name, CUDNN_TYPE_VOID_PTR, values.size(), values.data());
  }

  // How many elements the attribute has; 0 where there is none.
  std::int64_t Count(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    std::int64_t count = 0;
    cudnnBackendGetAttribute(descriptor_, name, type, 0, &count, nullptr);
    return count;
  }
  // Reads up to values.size() of them; how many there were.
  template <class T>
  std::int64_t Get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                   std::span<T> values) const {
    std::int64_t count = 0;
    Check(cudnnBackendGetAttribute(descriptor_, name, type,
                                   static_cast<std::int64_t>(values.size()), &count, values.data()),
          "cuDNN: reading an attribute");
    return count;
  }

  void Finalize(const char* what) { Check(TryFinalize(), what); }
  cudnnStatus_t TryFinalize() { return cudnnBackendFinalize(descriptor_); }

 private:
  void Put(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t count,
           const void* values) {
    Check(
        cudnnBackendSetAttribute(descriptor_, name, type, static_cast<std::int64_t>(count), values),
        "cuDNN: setting an attribute");
  }

  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace nasengine::cuda
