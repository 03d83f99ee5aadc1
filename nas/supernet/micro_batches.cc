// SPDX-License-Identifier: MIT
#include "nas/supernet/micro_batches.h"

namespace nasengine {

std::vector<BatchPart> PartsOf(const Tensor& images, const Tensor& labels,
                               std::int64_t micro_batch) {
  const Shape& shape = images.shape();
  const std::int64_t n = shape[0];
  const std::int64_t count = micro_batch > 0 ? (n + micro_batch - 1) / micro_batch : 1;
  if (count <= 1) return {{.images = images, .labels = labels}};
  const std::int64_t image_elements = images.elements() / n;
  std::vector<BatchPart> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t begin = i * n / count;
    const std::int64_t size = (i + 1) * n / count - begin;
    parts.push_back(
        {.images = images.Slice(begin * image_elements, {size, shape[1], shape[2], shape[3]}),
         .labels = labels.Slice(begin, {size}),
         .index = i,
         .count = count,
         .share = static_cast<double>(size) / static_cast<double>(n)});
  }
  return parts;
}

}  // namespace nasengine
