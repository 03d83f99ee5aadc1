// SPDX-License-Identifier: MIT
#include "data/dataset.h"

#include "kernels/core/error.h"

namespace nasengine {

std::string ToString(const ImageShape& shape) {
  return StrCat(shape.h, "x", shape.w, "x", shape.c);
}

void Dataset::CheckIndex(std::int64_t index) const {
  NAS_CHECK(index >= 0 && index < size(), name(), ": no image ", index, ", it has ", size());
}

void Dataset::CheckRead(std::int64_t index, std::span<const std::uint8_t> hwc) const {
  CheckIndex(index);
  NAS_CHECK(static_cast<std::int64_t>(hwc.size()) == image_shape().elements(), name(),
            ": destination has ", hwc.size(), " bytes, an image ", ToString(image_shape()), " has ",
            image_shape().elements());
}

}  // namespace nasengine
