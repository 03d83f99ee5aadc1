// SPDX-License-Identifier: MIT
#include "autograd/tape.h"

#include <unordered_set>

namespace nasengine {
namespace {

// One number of `dtype` on the context's device.
Tensor Scalar(Context& context, float value, DType dtype) {
  Tensor scalar = context.Empty({}, dtype, MemoryCategory::kActivations);
  const double value_f64 = value;
  context.backend().CopyFromHost(
      scalar.data(), dtype == DType::kF64 ? static_cast<const void*>(&value_f64) : &value,
      static_cast<std::size_t>(scalar.bytes()));
  return scalar;
}

}  // namespace

void Tape::Record(Node node) {
  NAS_CHECK(recording(), "tape: ", node.name, " recorded on a tape that does not record");
  nodes_.push_back(std::move(node));
}

void Tape::Backward(const Variable& loss, float seed) {
  const Tensor& value = loss.value();
  NAS_CHECK(
      value.defined() && value.elements() == 1 &&
          (value.dtype() == DType::kF32 || value.dtype() == DType::kF64),
      "backward: the loss is ",
      value.defined() ? StrCat(ToString(value.shape()), " ", Name(value.dtype())) : "undefined",
      ", expected one f32");
  NAS_CHECK(loss.wants_gradient(), "backward: the loss was not computed on this tape");

  // Out of the tape, so that whatever happens below leaves nothing saved.
  std::vector<Node> nodes = std::exchange(nodes_, {});
  loss.slot()->Accumulate(context_, Scalar(context_, seed, value.dtype()).Reshape(value.shape()));
  for (; !nodes.empty(); nodes.pop_back()) {
    Node& node = nodes.back();
    node.backward(context_, node.saved);
  }
  // A node that computed the loss would have taken its gradient.
  const bool taken = loss.slot()->empty();
  loss.slot()->Take();
  NAS_CHECK(taken, "backward: the loss was not computed on this tape");
}

std::int64_t Tape::saved_bytes() const {
  std::unordered_set<const void*> seen;
  std::int64_t bytes = 0;
  for (const Node& node : nodes_) {
    for (const Tensor& tensor : node.saved) {
      if (tensor.defined() && seen.insert(tensor.data()).second) bytes += tensor.bytes();
    }
  }
  return bytes;
}

}  // namespace nasengine
