// The members of an operator's Args, one after another, so that whoever asks something of all of
// them (how many bytes, which shape) needs no second list of them beside the struct.
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

namespace nasengine {

namespace internal {

// As many as ForEachMember has bindings for.
inline constexpr std::size_t kMostArgsMembers = 24;

// Stands for any member in an initialiser that is never evaluated.
struct AnyMember {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor)
};

template <class Args, std::size_t... I>
constexpr bool CanBeMadeOf(std::index_sequence<I...> /*members*/) {
  return requires { Args{(static_cast<void>(I), AnyMember{})...}; };
}

// The most initialisers that the aggregate takes.
template <class Args, std::size_t N = kMostArgsMembers + 1>
constexpr std::size_t CountMembers() {
  if constexpr (N == 0 || CanBeMadeOf<Args>(std::make_index_sequence<N>())) {
    return N;
  } else {
    return CountMembers<Args, N - 1>();
  }
}

}  // namespace internal

// Calls visit(member) for every member of the aggregate `args`, in the order of its declaration.
template <class Args, class Visit>
void ForEachMember(const Args& args, const Visit& visit) {
  constexpr std::size_t kMembers = internal::CountMembers<Args>();
  static_assert(kMembers >= 2 && kMembers <= internal::kMostArgsMembers);
  const auto each = [&visit](const auto&... members) { (visit(members), ...); };
#define NAS_VISIT_IF(count, ...)       \
  if constexpr (kMembers == (count)) { \
    const auto& [__VA_ARGS__] = args;  \
    each(__VA_ARGS__);                 \
  }
  NAS_VISIT_IF(2, a, b)
  NAS_VISIT_IF(3, a, b, c)
  NAS_VISIT_IF(4, a, b, c, d)
  NAS_VISIT_IF(5, a, b, c, d, e)
  NAS_VISIT_IF(6, a, b, c, d, e, f)
  NAS_VISIT_IF(7, a, b, c, d, e, f, g)
  NAS_VISIT_IF(8, a, b, c, d, e, f, g, h)
  NAS_VISIT_IF(9, a, b, c, d, e, f, g, h, i)
  NAS_VISIT_IF(10, a, b, c, d, e, f, g, h, i, j)
  NAS_VISIT_IF(11, a, b, c, d, e, f, g, h, i, j, k)
  NAS_VISIT_IF(12, a, b, c, d, e, f, g, h, i, j, k, l)
  NAS_VISIT_IF(13, a, b, c, d, e, f, g, h, i, j, k, l, m)
  NAS_VISIT_IF(14, a, b, c, d, e, f, g, h, i, j, k, l, m, n)
  NAS_VISIT_IF(15, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o)
  NAS_VISIT_IF(16, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
  NAS_VISIT_IF(17, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)
  NAS_VISIT_IF(18, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)
  NAS_VISIT_IF(19, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s)
  NAS_VISIT_IF(20, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
  NAS_VISIT_IF(21, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
  NAS_VISIT_IF(22, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)
  NAS_VISIT_IF(23, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)
  NAS_VISIT_IF(24, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x)
#undef NAS_VISIT_IF
}

}  // namespace nasengine
