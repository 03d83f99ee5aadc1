// Shapes, dtypes, and who keeps a tensor's memory alive.
// SPDX-License-Identifier: MIT
#include "kernels/core/tensor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "tests/support/failing_allocator.h"

namespace nasengine {
namespace {

class TensorTest : public testing::Test {
 protected:
  Tensor Make(const Shape& shape, DType dtype = DType::kF32) {
    return Tensor::Empty(allocator_, shape, dtype, MemoryCategory::kData);
  }

  std::unique_ptr<DeviceBackend> backend_ = MakeCpuBackend();
  CachingAllocator allocator_{*backend_};
};

TEST(ShapeTest, CountsElementsRowsAndBack) {
  const Shape image = {32, 112, 56, 96};
  EXPECT_EQ(image.rank(), 4);
  EXPECT_EQ(image.elements(), 32 * 112 * 56 * 96);
  EXPECT_EQ(image.rows(), 32 * 112 * 56);
  EXPECT_EQ(image.back(), 96);
  EXPECT_EQ(image[1], 112);
  EXPECT_EQ(ToString(image), "32x112x56x96");
  const Shape scalar;
  EXPECT_EQ(scalar.elements(), 1);
  EXPECT_EQ(scalar.rows(), 1);
  EXPECT_EQ(scalar.back(), 1);
  EXPECT_EQ((Shape{7}).rows(), 1);
  EXPECT_EQ((Shape{0, 5}).elements(), 0);
}

TEST(ShapeTest, ComparesRankAndSizes) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE((Shape{0}), Shape());
}

TEST(ShapeTest, RefusesImpossibleSizes) {
  EXPECT_THROW((Shape{2, -1}), Error);
  EXPECT_THROW((Shape{1, 2, 3, 4, 5}), Error);
  const std::int64_t huge = std::int64_t{1} << 31;
  EXPECT_THROW((Shape{huge, huge}), Error) << "the bytes of an f64 would overflow";
  EXPECT_NO_THROW((Shape{huge, huge / 16}));
}

TEST(DTypeTest, SizesAndNames) {
  EXPECT_EQ(SizeOf(DType::kF32), 4);
  EXPECT_EQ(SizeOf(DType::kBf16), 2);
  EXPECT_EQ(SizeOf(DType::kI32), 4);
  EXPECT_EQ(SizeOf(DType::kU8), 1);
  EXPECT_EQ(SizeOf(DType::kF64), 8);
  EXPECT_STREQ(Name(DType::kF32), "f32");
  EXPECT_STREQ(Name(DType::kBf16), "bf16");
  EXPECT_STREQ(Name(DType::kI32), "i32");
  EXPECT_STREQ(Name(DType::kU8), "u8");
  EXPECT_STREQ(Name(DType::kF64), "f64");
}

TEST_F(TensorTest, UndefinedGivesEmptyViews) {
  const Tensor tensor;
  EXPECT_FALSE(tensor.defined());
  EXPECT_TRUE(tensor.view().empty());
  EXPECT_TRUE(ConstView(tensor).empty());
  EXPECT_THROW(tensor.Reshape({1}), Error);
  EXPECT_THROW(tensor.Slice(0, {1}), Error);
}

TEST_F(TensorTest, ZeroElementsAreDefined) {
  const Tensor tensor = Make({0, 3});
  EXPECT_TRUE(tensor.defined());
  EXPECT_FALSE(tensor.view().empty());
  EXPECT_EQ(tensor.bytes(), 0);
}

TEST_F(TensorTest, ViewsCarryShapeAndDType) {
  const Tensor tensor = Make({2, 3}, DType::kBf16);
  const ConstView view = tensor;
  EXPECT_EQ(view.data, tensor.data());
  EXPECT_EQ(view.shape, (Shape{2, 3}));
  EXPECT_EQ(view.dtype, DType::kBf16);
  EXPECT_EQ(view.bytes(), 12);
  EXPECT_EQ(tensor.bytes(), 12);
}

TEST_F(TensorTest, CopiesShareAndTheLastOneFrees) {
  Tensor tensor = Make({1000});
  tensor.As<float>()[7] = 3.5F;
  Tensor copy = tensor;
  Tensor slice = tensor.Slice(5, {2, 2});
  EXPECT_EQ(allocator_.stats().active_bytes, 4032);
  tensor.Reset();
  EXPECT_FALSE(tensor.defined());
  EXPECT_EQ(copy.As<float>()[7], 3.5F);
  copy.Reset();
  EXPECT_EQ(slice.As<float>()[2], 3.5F);
  EXPECT_EQ(allocator_.stats().active_bytes, 4032);
  const Tensor moved = std::move(slice);
  EXPECT_EQ(moved.As<float>()[2], 3.5F);
  slice = Tensor();
  EXPECT_EQ(allocator_.stats().active_bytes, 4032);
}

TEST_F(TensorTest, StorageGoesWithItsLastHandle) {
  { const Tensor tensor = Make({64, 64}).Slice(64, {64}); }
  EXPECT_EQ(allocator_.stats().active_bytes, 0);
  EXPECT_EQ(allocator_.stats().peak_bytes, 64 * 64 * 4);
}

TEST_F(TensorTest, SlicesNestInElements) {
  const Tensor tensor = Make({100}, DType::kI32);
  for (int i = 0; i < 100; ++i) tensor.As<std::int32_t>()[i] = i;
  const Tensor inner = tensor.Slice(10, {50}).Slice(7, {3});
  EXPECT_EQ(inner.As<std::int32_t>()[0], 17);
  EXPECT_EQ(inner.Reshape({3, 1}).As<std::int32_t>()[2], 19);
  EXPECT_EQ(tensor.Slice(100, {0}).elements(), 0);
}

TEST_F(TensorTest, RefusesWhatDoesNotFit) {
  const Tensor tensor = Make({4, 5});
  EXPECT_EQ(tensor.Reshape({2, 10}).data(), tensor.data());
  EXPECT_THROW(tensor.Reshape({3, 7}), Error);
  EXPECT_THROW(tensor.Slice(-1, {2}), Error);
  EXPECT_THROW(tensor.Slice(19, {2}), Error);
  EXPECT_THROW(tensor.Slice(21, {0}), Error);
  EXPECT_THROW(tensor.Slice(10, {20}).Slice(0, {1}), Error);
}

TEST_F(TensorTest, FailedAllocationLeavesNothing) {
  FailingAllocator failing(allocator_, 1);
  EXPECT_THROW(Tensor::Empty(failing, {8}, DType::kF32, MemoryCategory::kData), Error);
  EXPECT_EQ(allocator_.stats().active_bytes, 0);
  const Tensor tensor = Tensor::Empty(failing, {8}, DType::kF32, MemoryCategory::kData);
  EXPECT_TRUE(tensor.defined());
}

}  // namespace
}  // namespace nasengine
