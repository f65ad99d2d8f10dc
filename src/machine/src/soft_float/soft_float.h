#pragma once

#include <concepts>
#include <cstdint>

/// IEEE 754 binary32 and binary64 as RISC-V wants them, in integers.
///
/// A host's unit differs from the guest's in the corners: which NaN comes out, whether fma of
/// infinity, zero and a quiet NaN is invalid, what an integer that does not fit becomes, and no x86
/// rounds ties away from zero. Here nothing is left to the host: an operation is a function of its
/// operands and the rounding mode, and gives its flags back as data.
///
/// A number is its bit pattern: std::uint32_t is binary32, std::uint64_t is binary64. NaN results
/// are the canonical one; a signalling NaN raises `invalid`. Tininess is detected after rounding.
/// NaN boxing is the caller's matter. RISC-V Unpriv. 20240411, chapters 20 and 21; IEEE 754-2019.
namespace mutirao::machine::soft_float {

/// The numbers of the field `rm` and of `frm` (Unpriv. table 20.1).
enum class Rounding : std::uint8_t {
  nearest_even = 0,
  to_zero = 1,
  down = 2,
  up = 3,
  nearest_away = 4,  ///< RMM: to nearest, ties away from zero
};

/// The bits of `fflags` (Unpriv. table 20.2).
using Flags = std::uint8_t;
inline constexpr Flags kInexact = 1;
inline constexpr Flags kUnderflow = 2;
inline constexpr Flags kOverflow = 4;
inline constexpr Flags kDivideByZero = 8;
inline constexpr Flags kInvalid = 16;

template <class T>
struct Outcome {
  T value;
  Flags flags = 0;
};

template <class F>
concept Format = std::same_as<F, std::uint32_t> || std::same_as<F, std::uint64_t>;

template <Format F>
inline constexpr F kCanonicalNan =
    sizeof(F) == 4 ? F{0x7FC00000} : F{0x7FF80000} << (sizeof(F) == 8 ? 32 : 0);
template <Format F>
inline constexpr F kSignBit = F{1} << (sizeof(F) * 8 - 1);

template <Format F>
[[nodiscard]] Outcome<F> add(F a, F b, Rounding mode) noexcept;
template <Format F>
[[nodiscard]] Outcome<F> sub(F a, F b, Rounding mode) noexcept {
  return add<F>(a, b ^ kSignBit<F>, mode);
}
template <Format F>
[[nodiscard]] Outcome<F> mul(F a, F b, Rounding mode) noexcept;
template <Format F>
[[nodiscard]] Outcome<F> div(F a, F b, Rounding mode) noexcept;
template <Format F>
[[nodiscard]] Outcome<F> sqrt(F a, Rounding mode) noexcept;
/// a * b + c, rounded once. Infinity times zero is invalid whatever c is.
template <Format F>
[[nodiscard]] Outcome<F> fma(F a, F b, F c, Rounding mode) noexcept;

/// From one format to the other.
template <Format To, Format From>
[[nodiscard]] Outcome<To> convert(From a, Rounding mode) noexcept;

/// To std::int32_t, std::uint32_t, std::int64_t or std::uint64_t. What does not fit, infinities and
/// NaN give the nearest value of the range (NaN its greatest) and `invalid` alone.
template <class I, Format F>
[[nodiscard]] Outcome<I> to_integer(F a, Rounding mode) noexcept;
template <Format F, class I>
[[nodiscard]] Outcome<F> from_integer(I a, Rounding mode) noexcept;

/// Quiet: only a signalling NaN is invalid.
template <Format F>
[[nodiscard]] Outcome<bool> equal(F a, F b) noexcept;
/// Any NaN is invalid.
template <Format F>
[[nodiscard]] Outcome<bool> less(F a, F b) noexcept;
template <Format F>
[[nodiscard]] Outcome<bool> less_equal(F a, F b) noexcept;

/// minimumNumber and maximumNumber of IEEE 754-2019: a number wins over a NaN, -0 is less than +0.
template <Format F>
[[nodiscard]] Outcome<F> min(F a, F b) noexcept;
template <Format F>
[[nodiscard]] Outcome<F> max(F a, F b) noexcept;

/// The ten bits of fclass (Unpriv. table 20.4).
template <Format F>
[[nodiscard]] std::uint32_t classify(F a) noexcept;

}  // namespace mutirao::machine::soft_float
