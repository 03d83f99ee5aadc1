// SPDX-License-Identifier: MIT
#include "bench/kept_bytes.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

constexpr std::int64_t kF32Bytes = 4;

// The candidates that a block evaluates; none where Zero is active.
using Evaluated = std::vector<const LayerDesc*>;

// A batch of images and what a number of their activations takes.
struct BatchOf {
  std::int64_t images = 1;
  std::int64_t number_bytes = kF32Bytes;

  std::int64_t Bytes(const Size3& size, std::int64_t channels) const {
    return images * size.h * size.w * channels * number_bytes;
  }
};

// What a batch norm keeps: its input, and two numbers a channel whatever the batch.
std::int64_t KeptByNorm(const Size3& size, std::int64_t channels, const BatchOf& batch) {
  return batch.Bytes(size, channels) + 2 * channels * kF32Bytes;
}

// A block that does not expand is cheaper to compute again than to keep.
bool IsComputedAgain(const LayerDesc& layer) {
  return layer.op == LayerOp::kMbconv && layer.expand == 1;
}

// What the gradients of a step read.
struct Reads {
  bool conv_inputs = false;   // for the gradients of the weights
  bool branches = false;      // for the gradients of the gates
  bool block_inputs = false;  // for candidates that are evaluated in the backward pass
};

// Bytes that a layer keeps of its own making; its input and its output are counted by the graph.
std::int64_t KeptInside(const LayerDesc& layer, const Reads& reads, const BatchOf& batch) {
  switch (layer.op) {
    case LayerOp::kConv:
      return KeptByNorm(layer.out, layer.out.c, batch);
    case LayerOp::kMbconv: {
      const std::int64_t middle = ExpandedChannels(layer);
      if (IsComputedAgain(layer)) return 2 * (middle + layer.out.c) * kF32Bytes;
      return KeptByNorm(layer.in, middle, batch) + KeptByNorm(layer.out, middle, batch) +
             KeptByNorm(layer.out, layer.out.c, batch);
    }
    case LayerOp::kClassifier:
      return batch.images * layer.out.c * kF32Bytes +
             (reads.conv_inputs ? batch.Bytes({1, 1, layer.in.c}, layer.in.c) : 0);
    case LayerOp::kZero:
      break;
  }
  return 0;
}

// What goes from layer to layer: a skipped block hands on its input under its own name.
struct Value {
  std::int64_t bytes = 0;
  bool wants_gradient = false;
  bool read = false;  // by a backward function
};

// `evaluated_of(choice, block)` gives what a searchable block evaluates.
template <class EvaluatedOf>
std::int64_t Kept(const SearchSpace& space, const Reads& reads, const BatchOf& batch,
                  const EvaluatedOf& evaluated_of) {
  const bool copies_images = batch.number_bytes != kF32Bytes;
  std::vector<Value> values{{.bytes = copies_images ? batch.Bytes(space.input, space.input.c) : 0}};
  std::map<std::string, std::size_t> value_of{{std::string(kImageInput), 0}};
  std::int64_t kept = 0;
  std::size_t block = 0;
  for (const SpaceNode& node : space.nodes) {
    const auto* choice = std::get_if<ChoiceNode>(&node);
    const LayerDesc& desc =
        choice != nullptr ? choice->candidates.front() : std::get<LayerDesc>(node);
    const Evaluated evaluated =
        choice != nullptr ? evaluated_of(*choice, block++) : Evaluated{&desc};
    const std::size_t input = value_of.at(desc.inputs.front());
    value_of[desc.name] = evaluated.empty() ? input : values.size();
    if (evaluated.empty()) continue;
    const bool gated = choice != nullptr && reads.branches;
    // Without weights to train nothing is recorded before the first gate.
    const bool recorded = reads.conv_inputs || values[input].wants_gradient;
    for (const LayerDesc* layer : evaluated) {
      if (recorded) kept += KeptInside(*layer, reads, batch);
      if (gated) kept += batch.Bytes(desc.out, desc.out.c);
    }
    const bool again = recorded && std::ranges::any_of(evaluated, [](const LayerDesc* layer) {
                         return IsComputedAgain(*layer);
                       });
    values[input].read = values[input].read || again || (gated && reads.block_inputs) ||
                         (desc.op != LayerOp::kClassifier && reads.conv_inputs);
    values.push_back(
        {.bytes = batch.Bytes(desc.out, desc.out.c), .wants_gradient = recorded || gated});
  }
  for (const Value& value : values) kept += value.read ? value.bytes : 0;
  return kept;
}

Reads ReadsOf(PlannedStep step) {
  switch (step) {
    case PlannedStep::kWeights:
    case PlannedStep::kAllPaths:
      return {.conv_inputs = true};
    case PlannedStep::kArchitecture:
    case PlannedStep::kTwoPaths:
      return {.branches = true, .block_inputs = true};
    case PlannedStep::kAllPathsArchitecture:
      return {.branches = true};
    case PlannedStep::kEvaluation:
      break;
  }
  Throw(ErrorCode::kUnsupported, "kept bytes: an evaluation has no backward pass");
}

}  // namespace

std::int64_t KeptBytes(const SearchSpace& space, PlannedStep step, std::span<const int> path,
                       std::int64_t batch, DType dtype) {
  const BatchOf images{.images = batch, .number_bytes = SizeOf(dtype)};
  const bool all_paths = TakesAllPaths(step);
  return Kept(space, ReadsOf(step), images, [&](const ChoiceNode& choice, std::size_t block) {
    Evaluated evaluated;
    for (int k = 0; k < static_cast<int>(choice.candidates.size()); ++k) {
      const LayerDesc& candidate = choice.candidates[static_cast<std::size_t>(k)];
      const bool is_evaluated = all_paths || k == path[block];
      if (is_evaluated && candidate.op != LayerOp::kZero) evaluated.push_back(&candidate);
    }
    return evaluated;
  });
}

std::vector<int> MostKeepingPath(const SearchSpace& space) {
  const Reads reads = ReadsOf(PlannedStep::kWeights);
  std::vector<int> path;
  for (const ChoiceNode* choice : space.Choices()) {
    std::vector<std::int64_t> kept;
    for (const LayerDesc& candidate : choice->candidates) {
      kept.push_back(KeptInside(candidate, reads, {}));
    }
    path.push_back(static_cast<int>(std::ranges::max_element(kept) - kept.begin()));
  }
  return path;
}

}  // namespace nasengine
