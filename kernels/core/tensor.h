// Tensors in the one memory layout of the engine (row-major; images NHWC), and the views that
// kernels take.
//
// A Tensor is a reference-counted handle: copying shares the storage, Slice shares a part of it.
// A View borrows and is never stored.
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "kernels/core/allocator.h"
#include "kernels/core/error.h"

namespace nasengine {

// kF64 is for references and gradient checks only, kU8 for stored images, kI32 for labels.
enum class DType : std::uint8_t { kF32, kBf16, kI32, kU8, kF64 };
std::int64_t SizeOf(DType dtype);
const char* Name(DType dtype);

// The upper half of an f32; arithmetic happens in f32.
struct BFloat16 {
  std::uint16_t bits;
};

// Up to four sizes. Rank 0 is a scalar with one element.
class Shape {
 public:
  static constexpr int kMaxRank = 4;
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes);
  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return sizes_[static_cast<std::size_t>(axis)]; }
  std::int64_t elements() const;
  // Elements of all axes but the last, i.e. rows of a row-major matrix; 1 for rank 0.
  std::int64_t rows() const;
  // Size of the last axis; 1 for rank 0.
  std::int64_t back() const;
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};
std::string ToString(const Shape& shape);  // "32x112x112x96"

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::kF32;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::kBf16;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::kI32;
};

template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::kU8;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::kF64;
};

struct ConstView {
  const void* data = nullptr;
  Shape shape;
  DType dtype = DType::kF32;
  bool empty() const { return data == nullptr; }
  std::int64_t elements() const { return shape.elements(); }
  std::int64_t bytes() const { return elements() * SizeOf(dtype); }
  template <class T>
  const T* As() const {
    NAS_DCHECK(dtype == DTypeOf<T>::value);
    return static_cast<const T*>(data);
  }
};

struct View {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::kF32;
  bool empty() const { return data == nullptr; }
  std::int64_t elements() const { return shape.elements(); }
  std::int64_t bytes() const { return elements() * SizeOf(dtype); }
  template <class T>
  T* As() const {
    NAS_DCHECK(dtype == DTypeOf<T>::value);
    return static_cast<T*>(data);
  }
  operator ConstView() const {
    return {data, shape, dtype};
  }  // NOLINT(google-explicit-constructor)
};

class Tensor {
 public:
  Tensor() = default;
  // Uninitialised. Throws kOutOfMemory.
  static Tensor Empty(Allocator& allocator, const Shape& shape, DType dtype,
                      MemoryCategory category);

  bool defined() const { return storage_ != nullptr; }
  // Whether this handle is the only one on its storage, so that it may be overwritten in place.
  bool unique() const { return storage_.use_count() == 1; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  std::int64_t elements() const { return shape_.elements(); }
  std::int64_t bytes() const { return elements() * SizeOf(dtype_); }

  void* data() const;
  template <class T>
  T* As() const {
    NAS_DCHECK(dtype_ == DTypeOf<T>::value);
    return static_cast<T*>(data());
  }
  // Empty view when the tensor is not defined.
  View view() const { return defined() ? View{data(), shape_, dtype_} : View{}; }
  operator View() const { return view(); }       // NOLINT(google-explicit-constructor)
  operator ConstView() const { return view(); }  // NOLINT(google-explicit-constructor)

  // The same bytes under another shape with as many elements.
  Tensor Reshape(const Shape& shape) const;
  // `shape` elements from element `offset` of this tensor on; shares and keeps alive its storage.
  Tensor Slice(std::int64_t offset, const Shape& shape) const;
  void Reset() { *this = Tensor(); }

 private:
  struct Storage;
  std::shared_ptr<Storage> storage_;
  std::int64_t offset_bytes_ = 0;
  Shape shape_;
  DType dtype_ = DType::kF32;
};

}  // namespace nasengine
