#pragma once

#include <compare>
#include <cstddef>
#include <functional>

namespace mutirao::base {

/// An integer that is one kind of thing: a PieceIndex is not a FileIndex. Values only; explicit in
/// both directions, ordered, hashable.
template <class Tag, class T>
struct Strong {
  T value{};
  constexpr Strong() = default;
  constexpr explicit Strong(T v) noexcept : value{v} {}
  friend constexpr auto operator<=>(Strong, Strong) = default;
  constexpr Strong& operator++() noexcept {
    ++value;
    return *this;
  }
};

}  // namespace mutirao::base

template <class Tag, class T>
struct std::hash<mutirao::base::Strong<Tag, T>> {
  std::size_t operator()(mutirao::base::Strong<Tag, T> const& strong) const noexcept {
    return std::hash<T>{}(strong.value);
  }
};
