// SPDX-License-Identifier: MIT
#include "autograd/state_dict.h"

#include <utility>

#include "autograd/safetensors.h"
#include "kernels/core/file_io.h"

namespace nasengine {
namespace {

std::string Describe(const Shape& shape, DType dtype) {
  return StrCat(ToString(shape), " ", Name(dtype));
}

void CopyIn(Context& context, const SafetensorsFile& file, const SafetensorsEntry& entry,
            const Tensor& to) {
  context.backend().CopyFromHost(to.data(), file.data.data() + entry.offset_bytes,
                                 static_cast<std::size_t>(entry.bytes()));
}

}  // namespace

void StateDict::Add(const std::string& name, Tensor tensor) {
  NAS_CHECK(!name.empty(), "state: a tensor without a name");
  NAS_CHECK(tensor.defined(), "state: tensor ", name, " is undefined");
  NAS_CHECK(index_.emplace(name, entries_.size()).second, "state: there is a tensor ", name,
            " already");
  entries_.push_back({name, std::move(tensor)});
}

const Tensor* StateDict::Find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second].tensor;
}

void SaveStateDict(Context& context, const std::string& path, const StateDict& state,
                   const Metadata& metadata) {
  std::vector<SafetensorsEntry> entries;
  for (const StateDict::Entry& entry : state.entries()) {
    entries.push_back(
        {.name = entry.name, .dtype = entry.tensor.dtype(), .shape = entry.tensor.shape()});
  }
  SafetensorsWriter writer(std::move(entries), metadata);
  for (const SafetensorsEntry& entry : writer.entries()) {
    context.backend().CopyToHost(writer.data(entry), state.Find(entry.name)->data(),
                                 static_cast<std::size_t>(entry.bytes()));
  }
  WriteFileAtomically(path, std::move(writer).Finish());
}

Metadata LoadStateDict(Context& context, const std::string& path, const StateDict& state) {
  const std::string bytes = ReadFile(path);
  const SafetensorsFile file = ParseSafetensors(path, bytes);
  std::map<std::string_view, const SafetensorsEntry*> found;
  for (const SafetensorsEntry& entry : file.entries) {
    const Tensor* tensor = state.Find(entry.name);
    NAS_CHECK(tensor != nullptr, path, ": tensor ", entry.name, " is not expected");
    NAS_CHECK(tensor->shape() == entry.shape && tensor->dtype() == entry.dtype, path, ": tensor ",
              entry.name, " is ", Describe(entry.shape, entry.dtype), ", expected ",
              Describe(tensor->shape(), tensor->dtype()));
    found.emplace(entry.name, &entry);
  }
  for (const StateDict::Entry& entry : state.entries()) {
    NAS_CHECK(found.count(entry.name) == 1, path, ": tensor ", entry.name, " is missing");
  }
  for (const SafetensorsEntry& entry : file.entries) {
    CopyIn(context, file, entry, *state.Find(entry.name));
  }
  return file.metadata;
}

LoadedState ReadStateDict(Context& context, const std::string& path, MemoryCategory category) {
  const std::string bytes = ReadFile(path);
  SafetensorsFile file = ParseSafetensors(path, bytes);
  LoadedState loaded;
  for (const SafetensorsEntry& entry : file.entries) {
    NAS_CHECK(!entry.name.empty(), path, ": a tensor without a name");
    Tensor tensor = context.Empty(entry.shape, entry.dtype, category);
    CopyIn(context, file, entry, tensor);
    loaded.state.Add(entry.name, std::move(tensor));
  }
  loaded.metadata = std::move(file.metadata);
  return loaded;
}

}  // namespace nasengine
