// What a weight step has to keep for its backward pass, worked out from the description alone: the
// model that planned and counted steps are held against, so that no side of a comparison keeps more
// than it needs.
//
// Kept is what a backward function reads (autograd/functions): a convolution's input, a batch
// norm's input with mean and inverse deviation of each channel, the classifier's pooled features
// and the gradient of its logits. Sums, residuals and pooling read nothing, and the result of a
// batch norm lives on only as the input of a convolution. An inverted bottleneck with E1 numbers
// after its expansion, E2 after its depthwise convolution and O at its end so keeps
// 2 E1 + 2 E2 + O (without E1 where it does not expand); a block's input is kept once, however many
// candidates read it. The images belong to the data.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>

#include "nas/space/search_space.h"

namespace nasengine {

// Bytes in f32 for a batch of `batch` images: along one path, and with every candidate trained.
std::int64_t KeptBytes(const SearchSpace& space, std::span<const int> path, std::int64_t batch);
std::int64_t KeptBytesOfAllPaths(const SearchSpace& space, std::int64_t batch);

// The candidate of every block that keeps most, the first of equals. A kernel's size adds nothing
// to what is kept, so among the candidates of the built-in spaces this is 3x3_MBConv6.
std::vector<int> MostKeepingPath(const SearchSpace& space);

}  // namespace nasengine
