// An operator's arguments with everything that they point to copied to the host, for a reference to
// run on and a comparison to read.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <map>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/core/args_members.h"
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
    VisitViews(args_, [&](auto& view) { CopyIn(backend, view); });
    VisitViews(args_, [&](auto& view) {
      if (!view.empty()) view.data = copies_.at(view.data).data();
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
  // Of `args`, which is not const, so that its members may be changed through the const reference
  // by which members are visited.
  template <class Members, class Visit>
  static void VisitViews(Members& args, const Visit& visit) {
    ForEachMember(args, [&visit](const auto& member) {
      using Member = std::remove_cvref_t<decltype(member)>;
      auto& own = const_cast<Member&>(member);
      if constexpr (std::is_same_v<Member, View> || std::is_same_v<Member, ConstView>) {
        visit(own);
      } else if constexpr (std::is_aggregate_v<Member> && HoldsViews<Member>()) {
        VisitViews(own, visit);
      }
    });
  }

  // Structs of plain numbers have members too, which need not be looked at.
  template <class Member>
  static constexpr bool HoldsViews() {
    return !requires(const Member& member) { ToString(member); };
  }

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
