// What a training step has to keep for its backward pass, worked out from the description alone:
// the model that plans are held against, so that no side of a comparison keeps more than it needs.
//
// Kept is what a backward function reads (autograd/functions). A batch norm reads its input, with
// mean and inverse deviation of every channel. Where weights are trained a convolution and the
// classifier read their input too; for gate gradients a mixed operation reads the outputs of the
// candidates that it evaluates and, along one path, its own input, from which the others are
// evaluated later. Sums, residuals and pooling read nothing, and nothing else lives on. With E1
// numbers after its expansion, E2 after its depthwise convolution and O at its end, an inverted
// bottleneck, which normalises again what it reads, so keeps E1 + E2 + O in a weight step and
// E1 + E2 + 2 O in an architecture step; one that does not expand is computed again from its input,
// and keeps only that. A value is kept once, however many read it; an architecture step keeps
// nothing of what comes before its first gate; the images belong to the data, but for their copy in
// bf16. What is kept is of the type that steps compute in; the statistics of batch norms and the
// gradient of the logits are f32 always.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "nas/space/search_space.h"
#include "nas/supernet/rehearsal.h"

namespace nasengine {

// Bytes for a batch of `batch` images, computed in `dtype`; `path` is ignored by a step of all
// paths. Throws kUnsupported for an evaluation, which has no backward pass.
std::int64_t KeptBytes(const SearchSpace& space, PlannedStep step, std::span<const int> path,
                       std::int64_t batch, DType dtype = DType::kF32);

// The candidate of every block that keeps most in a weight step, the first of equals. A kernel's
// size adds nothing to what is kept, so in the built-in spaces this is 3x3_MBConv6.
std::vector<int> MostKeepingPath(const SearchSpace& space);

}  // namespace nasengine
