// The views among an operator's Args, those of structs and of lists within it included.
// SPDX-License-Identifier: MIT
#pragma once

#include <ranges>
#include <type_traits>

#include "kernels/core/args_members.h"
#include "kernels/core/tensor.h"

namespace nasengine {

namespace internal {

template <class Member>
inline constexpr bool kIsView = std::is_same_v<Member, View> || std::is_same_v<Member, ConstView>;

// Structs of plain numbers, such as a geometry, are told by having a text.
template <class Member>
inline constexpr bool kHasText = requires(const Member& member) {
  ToString(member);
};

template <class Member>
constexpr bool MayListViews() {
  if constexpr (std::ranges::range<Member>) {
    return std::is_aggregate_v<std::ranges::range_value_t<Member>>;
  } else {
    return false;
  }
}

}  // namespace internal

// Calls visit(view) with every View and ConstView, in the order of declaration.
template <class Args, class Visit>
void ForEachView(const Args& args, const Visit& visit) {
  ForEachMember(args, [&visit](const auto& member) {
    using Member = std::remove_cvref_t<decltype(member)>;
    if constexpr (internal::kIsView<Member>) {
      visit(member);
    } else if constexpr (internal::MayListViews<Member>()) {
      for (const auto& item : member) {
        if constexpr (internal::kIsView<std::remove_cvref_t<decltype(item)>>) {
          visit(item);
        } else {
          ForEachView(item, visit);
        }
      }
    } else if constexpr (std::is_aggregate_v<Member> && !internal::kHasText<Member>) {
      ForEachView(member, visit);
    }
  });
}

}  // namespace nasengine
