// Shapes, and the storage that tensors share.
// SPDX-License-Identifier: MIT
#include "kernels/core/tensor.h"

#include <cstddef>
#include <limits>

namespace nasengine {

std::int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBf16:
      return 2;
    case DType::kU8:
      return 1;
    case DType::kF64:
      return 8;
  }
  return 0;
}

const char* Name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBf16:
      return "bf16";
    case DType::kI32:
      return "i32";
    case DType::kU8:
      return "u8";
    case DType::kF64:
      return "f64";
  }
  return "unknown";
}

Shape::Shape(std::initializer_list<std::int64_t> sizes) : rank_(static_cast<int>(sizes.size())) {
  NAS_CHECK(sizes.size() <= kMaxRank, "shape: ", sizes.size(), " axes, at most ", kMaxRank);
  // So that elements() * SizeOf() cannot overflow either, whatever a file claims.
  constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 8;
  std::int64_t elements = 1;
  std::size_t axis = 0;
  for (const std::int64_t size : sizes) {
    NAS_CHECK(size >= 0, "shape: axis ", axis, " has size ", size, ", expected 0 or more");
    NAS_CHECK(size == 0 || elements <= kMaxElements / size, "shape: axis ", axis, " of size ", size,
              " makes more than ", kMaxElements, " elements");
    elements *= size;
    sizes_[axis++] = size;
  }
}

std::int64_t Shape::elements() const { return rows() * back(); }

std::int64_t Shape::rows() const {
  std::int64_t rows = 1;
  for (int axis = 0; axis + 1 < rank_; ++axis) rows *= (*this)[axis];
  return rows;
}

std::int64_t Shape::back() const { return rank_ == 0 ? 1 : (*this)[rank_ - 1]; }

std::string ToString(const Shape& shape) {
  if (shape.rank() == 0) return "scalar";
  std::string text = std::to_string(shape[0]);
  for (int axis = 1; axis < shape.rank(); ++axis) {
    text += 'x';
    text += std::to_string(shape[axis]);
  }
  return text;
}

struct Tensor::Storage {
  Storage(Allocator& from, std::size_t bytes, MemoryCategory category)
      : allocator(&from), data(static_cast<std::byte*>(from.Allocate(bytes, category))) {}
  ~Storage() { allocator->Free(data); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  Allocator* allocator;
  std::byte* data;
};

Tensor Tensor::Empty(Allocator& allocator, const Shape& shape, DType dtype,
                     MemoryCategory category) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ =
      std::make_shared<Storage>(allocator, static_cast<std::size_t>(tensor.bytes()), category);
  return tensor;
}

void* Tensor::data() const { return defined() ? storage_->data + offset_bytes_ : nullptr; }

Tensor Tensor::Reshape(const Shape& shape) const {
  NAS_CHECK(defined(), "reshape: the tensor is not defined");
  NAS_CHECK(shape.elements() == elements(), "reshape: ", ToString(shape_), " has ", elements(),
            " elements, ", ToString(shape), " has ", shape.elements());
  Tensor tensor = *this;
  tensor.shape_ = shape;
  return tensor;
}

Tensor Tensor::Slice(std::int64_t offset, const Shape& shape) const {
  NAS_CHECK(defined(), "slice: the tensor is not defined");
  NAS_CHECK(offset >= 0 && offset <= elements() && shape.elements() <= elements() - offset,
            "slice: ", shape.elements(), " elements from ", offset, " on, the tensor has ",
            elements());
  Tensor tensor = *this;
  tensor.offset_bytes_ += offset * SizeOf(dtype_);
  tensor.shape_ = shape;
  return tensor;
}

}  // namespace nasengine
