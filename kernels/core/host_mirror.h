// An operator's arguments with everything that they point to copied to the host, for a reference to
// run on and a comparison to read.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/core/args_views.h"
#include "kernels/core/device_backend.h"
#include "kernels/core/tensor.h"

namespace nasengine {

// Views that are one tensor on the device are one here.
template <class Op>
class HostMirror {
 public:
  using Args = typename Op::Args;

  // Waits for the device.
  HostMirror(DeviceBackend& backend, const Args& args) : args_(args) {
    ForEachView(args_, [&](const auto& view) { CopyIn(backend, view); });
    ForEachView(args_, [&](const auto& view) {
      if (view.empty()) return;
      // Our own arguments, which are visited as const.
      using AnyView = std::remove_cvref_t<decltype(view)>;
      const_cast<AnyView&>(view).data = copies_.at(view.data).data();
    });
  }

  Args& args() { return args_; }

  // Writes the copies back to where they came from.
  void Restore(DeviceBackend& backend) const {
    for (const auto& [device, copy] : copies_) {
      backend.CopyFromHost(const_cast<void*>(device), copy.data(), copy.size());
    }
    backend.Synchronize();
  }

 private:
  template <class AnyView>
  void CopyIn(DeviceBackend& backend, const AnyView& view) {
    if (view.empty()) return;
    std::vector<std::byte>& copy = copies_[view.data];
    const auto bytes = static_cast<std::size_t>(view.bytes());
    if (copy.size() >= bytes && !copy.empty()) return;
    copy.resize(bytes == 0 ? 1 : bytes);
    backend.CopyToHost(copy.data(), view.data, bytes);
  }

  Args args_;
  std::map<const void*, std::vector<std::byte>> copies_;
};

}  // namespace nasengine
