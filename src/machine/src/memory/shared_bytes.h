#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

#include "mutirao/base/bytes.h"

/// Memory of the guest, as those touch it who do so at the same time: harts on threads of their
/// own, and devices.
///
/// What two of them do to the same bytes is the guest's business and no bug of ours, but the
/// compiler must know of it: each access is atomic, without order; order is what the guest's fences
/// and atomics make. One that is aligned is one piece, as other harts expect (Unpriv. 18.1); the
/// others may be seen in parts. Guest and host are little-endian.
namespace mutirao::machine {

template <class T>
[[nodiscard]] T load_shared(std::uint8_t const* host) noexcept {
  auto* const place = const_cast<std::uint8_t*>(host);  // atomic_ref has none for what is const
  if (reinterpret_cast<std::uintptr_t>(host) % sizeof(T) == 0) [[likely]]
    return std::atomic_ref<T>{*reinterpret_cast<T*>(place)}.load(std::memory_order_relaxed);
  std::array<std::uint8_t, sizeof(T)> bytes;
  for (std::size_t n = 0; n < sizeof(T); ++n) bytes[n] = load_shared<std::uint8_t>(host + n);
  return std::bit_cast<T>(bytes);
}

template <class T>
void store_shared(std::uint8_t* host, T value) noexcept {
  if (reinterpret_cast<std::uintptr_t>(host) % sizeof(T) == 0) [[likely]]
    return std::atomic_ref<T>{*reinterpret_cast<T*>(host)}.store(value, std::memory_order_relaxed);
  auto const bytes = std::bit_cast<std::array<std::uint8_t, sizeof(T)>>(value);
  for (std::size_t n = 0; n < sizeof(T); ++n) store_shared(host + n, bytes[n]);
}

}  // namespace mutirao::machine
