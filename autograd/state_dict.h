// Tensors by name, and their files: what a network, a checkpoint and an export exchange.
//
// The format is safetensors (8 bytes of header length, a JSON header, the data), so that every
// other tool reads it. `__metadata__` carries the caller's words and "xxh64", the checksum of the
// header without that entry followed by the data.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/context.h"
#include "kernels/core/tensor.h"

namespace nasengine {

class StateDict {
 public:
  struct Entry {
    std::string name;
    Tensor tensor;
  };

  // Throws kInvalidArgument on a name that is there already, an empty one, or an undefined tensor.
  void Add(const std::string& name, Tensor tensor);
  // Null when there is none.
  const Tensor* Find(std::string_view name) const;
  // In the order of Add.
  const std::vector<Entry>& entries() const { return entries_; }
  std::size_t size() const { return entries_.size(); }

 private:
  std::vector<Entry> entries_;
  std::map<std::string, std::size_t, std::less<>> index_;
};

using Metadata = std::map<std::string, std::string>;

// Writes `state` (f32, bf16, i32) atomically. Throws kInvalidArgument on another type, on a tensor
// or metadata key named as the format's own ("__metadata__", "xxh64"), and what WriteFileAtomically
// throws.
void SaveStateDict(Context& context, const std::string& path, const StateDict& state,
                   const Metadata& metadata = {});

// Reads the file into the tensors of `state`, which must have the same names, types and shapes;
// returns the metadata (without the checksum). Nothing is written unless everything fits. Throws
// kNotFound or kIo, and kInvalidArgument naming the file and the tensor when the file is damaged or
// is another network's. A file without a checksum (another tool's) is accepted.
Metadata LoadStateDict(Context& context, const std::string& path, const StateDict& state);

// Reads all tensors of the file into new ones of `category`, in the order of the data.
struct LoadedState {
  StateDict state;
  Metadata metadata;
};
LoadedState ReadStateDict(Context& context, const std::string& path, MemoryCategory category);

}  // namespace nasengine
