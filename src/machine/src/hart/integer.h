#pragma once

#include <bit>
#include <cstdint>
#include <limits>

/// The integer operations that take more than an operator: M and Zb* (Unpriv. 20240411, 12 and 28).
namespace mutirao::machine::integer {

__extension__ typedef unsigned __int128 Wide;
__extension__ typedef __int128 SignedWide;

/// The low 32 bits of a value, with their sign.
constexpr std::uint64_t word(std::uint64_t value) noexcept {
  return static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(value)});
}
constexpr std::int64_t as_signed(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value);
}

constexpr std::uint64_t mulh(std::uint64_t a, std::uint64_t b) noexcept {
  return static_cast<std::uint64_t>(SignedWide{as_signed(a)} * as_signed(b) >> 64);
}
constexpr std::uint64_t mulhu(std::uint64_t a, std::uint64_t b) noexcept {
  return static_cast<std::uint64_t>(Wide{a} * b >> 64);
}
constexpr std::uint64_t mulhsu(std::uint64_t a, std::uint64_t b) noexcept {
  return mulhu(a, b) - (as_signed(a) < 0 ? b : 0);
}

// Neither a divisor of zero nor the one overflow traps (12.2).
template <class S>
constexpr S quotient(S a, S b) noexcept {
  if (b == 0) return S(-1);
  if constexpr (std::numeric_limits<S>::is_signed)
    if (b == -1) return static_cast<S>(0 - static_cast<std::make_unsigned_t<S>>(a));
  return a / b;
}
template <class S>
constexpr S remainder(S a, S b) noexcept {
  if (b == 0) return a;
  if constexpr (std::numeric_limits<S>::is_signed)
    if (b == -1) return 0;
  return a % b;
}

/// Each byte that is not zero becomes all ones.
constexpr std::uint64_t orc_b(std::uint64_t a) noexcept {
  std::uint64_t result = 0;
  for (unsigned shift = 0; shift < 64; shift += 8)
    if ((a >> shift & 0xFF) != 0) result |= std::uint64_t{0xFF} << shift;
  return result;
}

/// The product without carries, all 127 bits of it.
constexpr Wide carryless(std::uint64_t a, std::uint64_t b) noexcept {
  Wide result = 0;
  for (unsigned bit = 0; bit < 64; ++bit)
    if ((b >> bit & 1) != 0) result ^= Wide{a} << bit;
  return result;
}

}  // namespace mutirao::machine::integer
