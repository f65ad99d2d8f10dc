#include "soft_float/soft_float.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

namespace mutirao::machine::soft_float {
namespace {

__extension__ typedef unsigned __int128 Wide;

template <Format F>
struct Traits {
  static constexpr int precision =
      sizeof(F) == 4 ? 24 : 53;  // of the significand, leading one included
  static constexpr int fraction_bits = precision - 1;
  static constexpr int exponent_bits = static_cast<int>(sizeof(F)) * 8 - precision;
  static constexpr int bias = (1 << (exponent_bits - 1)) - 1;
  static constexpr int exponent_min = 1 - bias;  // of the smallest normal number
  static constexpr F fraction_mask = (F{1} << fraction_bits) - 1;
  static constexpr int field_max = (1 << exponent_bits) - 1;
  static constexpr F infinity = F{static_cast<F>(field_max)} << fraction_bits;
};

template <Format F>
constexpr bool sign_of(F a) {
  return (a & kSignBit<F>) != 0;
}
template <Format F>
constexpr F magnitude_of(F a) {
  return a & ~kSignBit<F>;
}
template <Format F>
constexpr F with_sign(bool sign, F magnitude) {
  return sign ? magnitude | kSignBit<F> : magnitude;
}
template <Format F>
constexpr bool is_nan(F a) {
  return magnitude_of(a) > Traits<F>::infinity;
}
template <Format F>
constexpr bool is_signalling(F a) {
  return is_nan(a) && (a >> (Traits<F>::fraction_bits - 1) & 1) == 0;
}
template <Format F>
constexpr bool is_infinite(F a) {
  return magnitude_of(a) == Traits<F>::infinity;
}
template <Format F>
constexpr bool is_zero(F a) {
  return magnitude_of(a) == 0;
}

template <Format F>
constexpr Outcome<F> invalid() {
  return {kCanonicalNan<F>, kInvalid};
}
template <Format F, class... Fs>
constexpr Outcome<F> propagate_nan(Fs... operands) {
  return {kCanonicalNan<F>, (is_signalling(operands) || ...) ? kInvalid : Flags{0}};
}

/// A finite number, exactly: significand * 2^exponent. Where bits were lost below, the lowest bit
/// is set ("jammed"): it is far enough below the rounding point to stand for all of them.
struct Exact {
  bool sign = false;
  int exponent = 0;
  Wide significand = 0;
};

int width_of(Wide value) {
  auto const high = static_cast<std::uint64_t>(value >> 64);
  return high != 0 ? 64 + std::bit_width(high) : std::bit_width(static_cast<std::uint64_t>(value));
}

Wide shift_right_jam(Wide value, int by) {
  if (by == 0) return value;
  if (by >= 128) return value != 0;
  Wide const lost = value & ((Wide{1} << by) - 1);
  return value >> by | (lost != 0);
}

template <Format F>
Exact unpack(F a) {
  using T = Traits<F>;
  int const field = static_cast<int>(magnitude_of(a) >> T::fraction_bits);
  F const fraction = a & T::fraction_mask;
  if (field == 0) return {sign_of(a), T::exponent_min - T::fraction_bits, fraction};
  return {sign_of(a), field - T::bias - T::fraction_bits, fraction | F{1} << T::fraction_bits};
}

/// `value` with its highest bit at `bit`.
Exact normalized(Exact value, int bit) {
  int const by = bit + 1 - width_of(value.significand);
  return {value.sign, value.exponent - by,
          by >= 0 ? value.significand << by : shift_right_jam(value.significand, -by)};
}

struct Rounded {
  Wide kept;
  bool inexact;
};

/// significand / 2^by as an integer, rounded.
Rounded round_shift(bool sign, Wide significand, int by, Rounding mode) {
  if (by <= 0) return {significand << -by, false};
  // Everything is below one half; where exactly does not matter.
  if (by > 127) {
    significand = significand != 0;
    by = 2;
  }
  Wide const kept = significand >> by;
  Wide const rest = significand & ((Wide{1} << by) - 1);
  Wide const half = Wide{1} << (by - 1);
  bool away = false;
  switch (mode) {
    case Rounding::nearest_even:
      away = rest > half || (rest == half && (kept & 1) != 0);
      break;
    case Rounding::to_zero:
      break;
    case Rounding::down:
      away = sign && rest != 0;
      break;
    case Rounding::up:
      away = !sign && rest != 0;
      break;
    case Rounding::nearest_away:
      away = rest >= half;
      break;
  }
  return {kept + away, rest != 0};
}

template <Format F>
Outcome<F> overflow(bool sign, Rounding mode) {
  bool const to_infinity = mode == Rounding::nearest_even || mode == Rounding::nearest_away ||
                           mode == (sign ? Rounding::down : Rounding::up);
  F const magnitude = to_infinity ? Traits<F>::infinity : Traits<F>::infinity - 1;
  return {with_sign(sign, magnitude), kOverflow | kInexact};
}

/// The nearest number of the format. `value` is not zero and below 2^126 units.
template <Format F>
Outcome<F> round_pack(Exact value, Rounding mode) {
  using T = Traits<F>;
  int const top = value.exponent + width_of(value.significand) - 1;
  int const unit =
      std::max(top, T::exponent_min) - T::fraction_bits;  // weight of the last bit kept
  Rounded const rounded = round_shift(value.sign, value.significand, unit - value.exponent, mode);

  // The leading one adds itself to the exponent field, and so does a carry out of the significand.
  int const field = unit + T::fraction_bits + T::bias - 1;
  F const magnitude = (static_cast<F>(field) << T::fraction_bits) + static_cast<F>(rounded.kept);
  if (field >= T::field_max || magnitude >= T::infinity) return overflow<F>(value.sign, mode);

  Flags flags = rounded.inexact ? kInexact : Flags{0};
  if (rounded.inexact && top < T::exponent_min) {
    // Tiny after rounding: would it stay below the normal numbers if exponents had no end?
    bool const tiny =
        top < T::exponent_min - 1 ||
        round_shift(value.sign, value.significand, top - T::fraction_bits - value.exponent, mode)
                .kept != Wide{1} << T::precision;
    if (tiny) flags |= kUnderflow;
  }
  return {with_sign(value.sign, magnitude), flags};
}

constexpr int kTop = 124;  // highest bit of normalized operands: leaves room for one carry

/// The sum of two numbers, of which one is not zero; a significand of zero means that they cancel.
Exact sum(Exact a, Exact b) {
  if (a.significand == 0) return b;
  if (b.significand == 0) return a;
  a = normalized(a, kTop);
  b = normalized(b, kTop);
  if (a.exponent < b.exponent) std::swap(a, b);
  // Operands have 106 bits at most: of what is shifted out below here, none counts unless the
  // exponents are so far apart that nothing cancels.
  b.significand = shift_right_jam(b.significand, a.exponent - b.exponent);
  if (a.sign == b.sign) return {a.sign, a.exponent, a.significand + b.significand};
  if (a.significand >= b.significand) return {a.sign, a.exponent, a.significand - b.significand};
  return {b.sign, a.exponent, b.significand - a.significand};
}

template <Format F>
Outcome<F> rounded_sum(Exact a, Exact b, Rounding mode) {
  // The sign of an exact zero (IEEE 754, 6.3).
  F const zero = with_sign(mode == Rounding::down, F{0});
  if (a.significand == 0 && b.significand == 0)
    return {a.sign == b.sign ? with_sign(a.sign, F{0}) : zero};
  Exact const total = sum(a, b);
  if (total.significand == 0) return {zero};
  return round_pack<F>(total, mode);
}

/// The integer square root of `value`, with its lowest bit set if it is not exact.
Wide square_root_jam(Wide value) {
  Wide root = 0;
  Wide rest = value;
  for (Wide bit = Wide{1} << 126; bit != 0; bit >>= 2) {
    if (rest >= root + bit) {
      rest -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  return root | (rest != 0);
}

/// Orders numbers that are not NaN: -1, 0 or 1.
template <Format F>
int compare(F a, F b) {
  if (is_zero(a) && is_zero(b)) return 0;
  if (sign_of(a) != sign_of(b)) return sign_of(a) ? -1 : 1;
  if (a == b) return 0;
  return (a < b) != sign_of(a) ? -1 : 1;
}

template <Format F>
Outcome<F> choose(F a, F b, bool smaller) {
  Flags const flags = is_signalling(a) || is_signalling(b) ? kInvalid : Flags{0};
  if (is_nan(a) && is_nan(b)) return {kCanonicalNan<F>, flags};
  if (is_nan(a)) return {b, flags};
  if (is_nan(b)) return {a, flags};
  int const order = compare(a, b);
  bool const a_is_less = order < 0 || (order == 0 && sign_of(a));
  return {a_is_less == smaller ? a : b, flags};
}

}  // namespace

template <Format F>
Outcome<F> add(F a, F b, Rounding mode) noexcept {
  if (is_nan(a) || is_nan(b)) return propagate_nan<F>(a, b);
  if (is_infinite(a)) return is_infinite(b) && a != b ? invalid<F>() : Outcome<F>{a};
  if (is_infinite(b)) return {b};
  return rounded_sum<F>(unpack(a), unpack(b), mode);
}

template <Format F>
Outcome<F> mul(F a, F b, Rounding mode) noexcept {
  if (is_nan(a) || is_nan(b)) return propagate_nan<F>(a, b);
  bool const sign = sign_of(a) != sign_of(b);
  if (is_infinite(a) || is_infinite(b))
    return is_zero(a) || is_zero(b) ? invalid<F>()
                                    : Outcome<F>{with_sign(sign, Traits<F>::infinity)};
  if (is_zero(a) || is_zero(b)) return {with_sign(sign, F{0})};
  Exact const x = unpack(a);
  Exact const y = unpack(b);
  return round_pack<F>({sign, x.exponent + y.exponent, x.significand * y.significand}, mode);
}

template <Format F>
Outcome<F> div(F a, F b, Rounding mode) noexcept {
  if (is_nan(a) || is_nan(b)) return propagate_nan<F>(a, b);
  bool const sign = sign_of(a) != sign_of(b);
  if (is_infinite(a))
    return is_infinite(b) ? invalid<F>() : Outcome<F>{with_sign(sign, Traits<F>::infinity)};
  if (is_infinite(b)) return {with_sign(sign, F{0})};
  if (is_zero(b)) {
    if (is_zero(a)) return invalid<F>();
    return {with_sign(sign, Traits<F>::infinity), kDivideByZero};
  }
  if (is_zero(a)) return {with_sign(sign, F{0})};
  // A quotient of at least precision + 2 bits, so that the jammed bit is below the rounding point.
  Exact const x = normalized(unpack(a), kTop);
  Exact const y = normalized(unpack(b), Traits<F>::fraction_bits);
  Wide const quotient = x.significand / y.significand;
  bool const rest = x.significand % y.significand != 0;
  return round_pack<F>({sign, x.exponent - y.exponent, quotient | rest}, mode);
}

template <Format F>
Outcome<F> sqrt(F a, Rounding mode) noexcept {
  if (is_nan(a)) return propagate_nan<F>(a);
  if (is_zero(a)) return {a};
  if (sign_of(a)) return invalid<F>();
  if (is_infinite(a)) return {a};
  Exact x = normalized(unpack(a), kTop);
  if ((x.exponent & 1) != 0) {
    x.significand <<= 1;
    --x.exponent;
  }
  return round_pack<F>({false, x.exponent / 2, square_root_jam(x.significand)}, mode);
}

template <Format F>
Outcome<F> fma(F a, F b, F c, Rounding mode) noexcept {
  bool const no_product = (is_infinite(a) && is_zero(b)) || (is_zero(a) && is_infinite(b));
  if (no_product) return invalid<F>();
  if (is_nan(a) || is_nan(b) || is_nan(c)) return propagate_nan<F>(a, b, c);
  bool const sign = sign_of(a) != sign_of(b);
  if (is_infinite(a) || is_infinite(b)) {
    F const product = with_sign(sign, Traits<F>::infinity);
    return is_infinite(c) && c != product ? invalid<F>() : Outcome<F>{product};
  }
  if (is_infinite(c)) return {c};
  Exact const x = unpack(a);
  Exact const y = unpack(b);
  Exact const product{sign, x.exponent + y.exponent, x.significand * y.significand};
  return rounded_sum<F>(product, unpack(c), mode);
}

template <Format To, Format From>
Outcome<To> convert(From a, Rounding mode) noexcept {
  if (is_nan(a)) return propagate_nan<To>(a);
  if (is_infinite(a)) return {with_sign(sign_of(a), Traits<To>::infinity)};
  if (is_zero(a)) return {with_sign(sign_of(a), To{0})};
  return round_pack<To>(unpack(a), mode);
}

template <class I, Format F>
Outcome<I> to_integer(F a, Rounding mode) noexcept {
  using Limits = std::numeric_limits<I>;
  if (is_nan(a)) return {Limits::max(), kInvalid};
  Outcome<I> const beyond{sign_of(a) ? Limits::min() : Limits::max(), kInvalid};
  Exact const x = unpack(a);
  if (is_infinite(a) || x.exponent > 64) return beyond;
  Rounded const rounded = round_shift(x.sign, x.significand, -x.exponent, mode);
  Wide const most = Wide{static_cast<std::make_unsigned_t<I>>(Limits::max())};
  Wide const limit = !x.sign ? most : std::is_signed_v<I> ? most + 1 : Wide{0};
  if (rounded.kept > limit) return beyond;
  auto const magnitude = static_cast<std::make_unsigned_t<I>>(rounded.kept);
  return {static_cast<I>(x.sign ? 0 - magnitude : magnitude),
          rounded.inexact ? kInexact : Flags{0}};
}

template <Format F, class I>
Outcome<F> from_integer(I a, Rounding mode) noexcept {
  if (a == 0) return {F{0}};
  auto const bits = static_cast<std::make_unsigned_t<I>>(a);
  bool const sign = a < 0;
  return round_pack<F>({sign, 0, sign ? static_cast<std::make_unsigned_t<I>>(0 - bits) : bits},
                       mode);
}

template <Format F>
Outcome<bool> equal(F a, F b) noexcept {
  if (is_nan(a) || is_nan(b))
    return {false, is_signalling(a) || is_signalling(b) ? kInvalid : Flags{0}};
  return {compare(a, b) == 0};
}
template <Format F>
Outcome<bool> less(F a, F b) noexcept {
  if (is_nan(a) || is_nan(b)) return {false, kInvalid};
  return {compare(a, b) < 0};
}
template <Format F>
Outcome<bool> less_equal(F a, F b) noexcept {
  if (is_nan(a) || is_nan(b)) return {false, kInvalid};
  return {compare(a, b) <= 0};
}

template <Format F>
Outcome<F> min(F a, F b) noexcept {
  return choose(a, b, true);
}
template <Format F>
Outcome<F> max(F a, F b) noexcept {
  return choose(a, b, false);
}

template <Format F>
std::uint32_t classify(F a) noexcept {
  bool const sign = sign_of(a);
  if (is_nan(a)) return is_signalling(a) ? 1u << 8 : 1u << 9;
  if (is_infinite(a)) return sign ? 1u << 0 : 1u << 7;
  if (is_zero(a)) return sign ? 1u << 3 : 1u << 4;
  bool const subnormal = magnitude_of(a) <= Traits<F>::fraction_mask;
  if (subnormal) return sign ? 1u << 2 : 1u << 5;
  return sign ? 1u << 1 : 1u << 6;
}

#define MUT_FOR_FORMAT(F)                                                          \
  template Outcome<F> add(F, F, Rounding) noexcept;                                \
  template Outcome<F> mul(F, F, Rounding) noexcept;                                \
  template Outcome<F> div(F, F, Rounding) noexcept;                                \
  template Outcome<F> sqrt(F, Rounding) noexcept;                                  \
  template Outcome<F> fma(F, F, F, Rounding) noexcept;                             \
  template Outcome<std::int32_t> to_integer<std::int32_t>(F, Rounding) noexcept;   \
  template Outcome<std::uint32_t> to_integer<std::uint32_t>(F, Rounding) noexcept; \
  template Outcome<std::int64_t> to_integer<std::int64_t>(F, Rounding) noexcept;   \
  template Outcome<std::uint64_t> to_integer<std::uint64_t>(F, Rounding) noexcept; \
  template Outcome<F> from_integer<F>(std::int32_t, Rounding) noexcept;            \
  template Outcome<F> from_integer<F>(std::uint32_t, Rounding) noexcept;           \
  template Outcome<F> from_integer<F>(std::int64_t, Rounding) noexcept;            \
  template Outcome<F> from_integer<F>(std::uint64_t, Rounding) noexcept;           \
  template Outcome<bool> equal(F, F) noexcept;                                     \
  template Outcome<bool> less(F, F) noexcept;                                      \
  template Outcome<bool> less_equal(F, F) noexcept;                                \
  template Outcome<F> min(F, F) noexcept;                                          \
  template Outcome<F> max(F, F) noexcept;                                          \
  template std::uint32_t classify(F) noexcept;
MUT_FOR_FORMAT(std::uint32_t)
MUT_FOR_FORMAT(std::uint64_t)
#undef MUT_FOR_FORMAT
template Outcome<std::uint64_t> convert(std::uint32_t, Rounding) noexcept;
template Outcome<std::uint32_t> convert(std::uint64_t, Rounding) noexcept;

}  // namespace mutirao::machine::soft_float
