#include "soft_float/soft_float.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <xmmintrin.h>

#include <gtest/gtest.h>

namespace mutirao::machine::soft_float {
namespace {

template <class F>
using Native = std::conditional_t<sizeof(F) == 4, float, double>;

template <class F>
bool is_any_nan(F a) {
  return (a & ~kSignBit<F>) > (sizeof(F) == 4 ? F{0x7F800000} : static_cast<F>(0x7FF0000000000000));
}

constexpr Rounding kHostModes[] = {Rounding::nearest_even, Rounding::to_zero, Rounding::down,
                                   Rounding::up};

/// Runs `operation` on the processor's own unit, in the given mode, with all exceptions masked.
template <class F, class Operation, class... Fs>
Outcome<F> on_host(Operation operation, Rounding mode, Fs... operands) {
  constexpr unsigned kControl[] = {0x1F80, 0x7F80, 0x3F80, 0x5F80};  // MXCSR, SDM volume 1, 10.2.3
  unsigned const before = _mm_getcsr();
  std::array<Native<F> volatile, sizeof...(Fs)> values{std::bit_cast<Native<Fs>>(operands)...};
  _mm_setcsr(kControl[static_cast<unsigned>(mode)]);
  Native<F> volatile result = operation(values);
  unsigned const after = _mm_getcsr();
  _mm_setcsr(before);
  F value = std::bit_cast<F>(static_cast<Native<F>>(result));
  if (is_any_nan(value)) value = kCanonicalNan<F>;
  Flags flags = 0;
  if (after & 1) flags |= kInvalid;
  if (after & 4) flags |= kDivideByZero;
  if (after & 8) flags |= kOverflow;
  if (after & 16) flags |= kUnderflow;
  if (after & 32) flags |= kInexact;
  return {value, flags};
}

/// Operands where something happens: ends of ranges, few bits set, near powers of two, and
/// anything.
template <class F>
class Operands {
 public:
  explicit Operands(std::uint64_t seed) : random_{seed} {}

  F next() {
    constexpr int fraction_bits = sizeof(F) == 4 ? 23 : 52;
    constexpr F fraction_mask = (F{1} << fraction_bits) - 1;
    auto const any = static_cast<F>(random_());
    F const sign = any & kSignBit<F>;
    switch (random_() % 8) {
      case 0: {  // zero, infinity, NaNs, one, the least and the greatest of their kinds
        F const infinity = kCanonicalNan<F> & ~(F{1} << (fraction_bits - 1));
        F const one = infinity >> 1 & ~fraction_mask;
        F const corners[] = {0,
                             1,
                             2,
                             fraction_mask,
                             fraction_mask + 1,
                             fraction_mask + 2,
                             infinity - 1,
                             infinity,
                             infinity + 1,
                             kCanonicalNan<F>,
                             kCanonicalNan<F> + 5,
                             one,
                             one + 1,
                             one - 1};
        return sign | corners[random_() % std::size(corners)];
      }
      case 1:  // subnormal
        return sign | (any & fraction_mask) >> random_() % fraction_bits;
      case 2:  // a few bits at the top of the fraction: ties in products and sums
        return any & ~(fraction_mask >> (1 + random_() % 6));
      case 3:  // a few bits at the bottom
        return (any & ~fraction_mask) | (any & fraction_mask & 7);
      case 4:
      case 5: {  // near one, so that sums cancel and products neither overflow nor vanish
        F const exponent = (sizeof(F) == 4 ? F{127} : F{1023}) + static_cast<F>(random_() % 5) - 2;
        return sign | exponent << fraction_bits | (any & fraction_mask);
      }
      default:
        return any;
    }
  }
  Rounding mode() { return kHostModes[random_() % 4]; }
  std::uint64_t bits() { return random_(); }

 private:
  std::mt19937_64 random_;
};

template <class F>
class SoftFloat : public testing::Test {};
using Formats = testing::Types<std::uint32_t, std::uint64_t>;
TYPED_TEST_SUITE(SoftFloat, Formats);

constexpr int kRounds = 1'000'000;

#define MUT_EXPECT_SAME(ours, host, ...)                                \
  do {                                                                  \
    auto const mut_ours = ours;                                         \
    auto const mut_host = host;                                         \
    ASSERT_EQ(mut_ours.value, mut_host.value)                           \
        << std::hex << testing::PrintToString(std::tuple{__VA_ARGS__}); \
    ASSERT_EQ(mut_ours.flags, mut_host.flags)                           \
        << std::hex << testing::PrintToString(std::tuple{__VA_ARGS__}); \
  } while (false)

TYPED_TEST(SoftFloat, adds_subtracts_multiplies_and_divides_like_the_host) {
  using F = TypeParam;
  Operands<F> operands{1};
  for (int i = 0; i < kRounds; ++i) {
    F const a = operands.next(), b = operands.next();
    Rounding const mode = operands.mode();
    int const m = static_cast<int>(mode);
    MUT_EXPECT_SAME(add(a, b, mode), on_host<F>([](auto& v) { return v[0] + v[1]; }, mode, a, b), a,
                    b, m);
    MUT_EXPECT_SAME(sub(a, b, mode), on_host<F>([](auto& v) { return v[0] - v[1]; }, mode, a, b), a,
                    b, m);
    MUT_EXPECT_SAME(mul(a, b, mode), on_host<F>([](auto& v) { return v[0] * v[1]; }, mode, a, b), a,
                    b, m);
    MUT_EXPECT_SAME(div(a, b, mode), on_host<F>([](auto& v) { return v[0] / v[1]; }, mode, a, b), a,
                    b, m);
  }
}

TYPED_TEST(SoftFloat, takes_roots_like_the_host) {
  using F = TypeParam;
  Operands<F> operands{2};
  for (int i = 0; i < kRounds; ++i) {
    F a = operands.next();
    if (i % 8 != 0) a &= ~kSignBit<F>;
    Rounding const mode = operands.mode();
    auto const root = [](auto& v) {
      Native<F> const operand = v[0];
      Native<F> result;
      if constexpr (sizeof(F) == 4)
        asm volatile("sqrtss %1, %0" : "=x"(result) : "x"(operand));
      else
        asm volatile("sqrtsd %1, %0" : "=x"(result) : "x"(operand));
      return result;
    };
    MUT_EXPECT_SAME(sqrt(a, mode), on_host<F>(root, mode, a), a, static_cast<int>(mode));
  }
}

TYPED_TEST(SoftFloat, fuses_like_the_host_but_for_infinity_times_zero) {
  using F = TypeParam;
  if (!__builtin_cpu_supports("fma")) GTEST_SKIP() << "this processor has no fma";
  Operands<F> operands{3};
  for (int i = 0; i < kRounds; ++i) {
    F const a = operands.next(), b = operands.next();
    F c = operands.next();
    // One in four cancels the product as far as a number of the format can.
    if (operands.bits() % 4 == 0) c = mul(a, b, Rounding::nearest_even).value ^ kSignBit<F>;
    Rounding const mode = operands.mode();
    auto const fused = [](auto& v) {
      Native<F> result = v[0];
      Native<F> const factor = v[1], addend = v[2];
      if constexpr (sizeof(F) == 4)
        asm volatile("vfmadd213ss %2, %1, %0" : "+x"(result) : "x"(factor), "x"(addend));
      else
        asm volatile("vfmadd213sd %2, %1, %0" : "+x"(result) : "x"(factor), "x"(addend));
      return result;
    };
    auto host = on_host<F>(fused, mode, a, b, c);
    auto const ours = fma(a, b, c, mode);
    bool const no_product = mul(a, b, mode).flags == kInvalid && !is_any_nan(a) && !is_any_nan(b);
    if (no_product) {
      EXPECT_EQ(ours.flags, kInvalid);
      host.flags = kInvalid;
    }
    MUT_EXPECT_SAME(ours, host, a, b, c, static_cast<int>(mode));
  }
}

TYPED_TEST(SoftFloat, converts_between_formats_like_the_host) {
  using F = TypeParam;
  using Other = std::conditional_t<sizeof(F) == 4, std::uint64_t, std::uint32_t>;
  Operands<F> operands{4};
  for (int i = 0; i < kRounds; ++i) {
    F a = operands.next();
    if constexpr (sizeof(F) == 8) {
      // Into the range of the smaller format, most of the time.
      if (i % 4 != 0) a = (a & ~(F{0x7FF} << 52)) | (F{1023 - 155} + operands.bits() % 290) << 52;
    }
    Rounding const mode = operands.mode();
    Native<F> volatile operand = std::bit_cast<Native<F>>(a);
    auto const host =
        on_host<Other>([&](auto&) { return static_cast<Native<Other>>(operand); }, mode);
    MUT_EXPECT_SAME(convert<Other>(a, mode), host, a, static_cast<int>(mode));
  }
}

TYPED_TEST(SoftFloat, converts_from_integers_like_the_host) {
  using F = TypeParam;
  Operands<F> operands{5};
  for (int i = 0; i < kRounds; ++i) {
    std::int64_t const volatile wide =
        static_cast<std::int64_t>(operands.bits()) >> operands.bits() % 64;
    std::int32_t const volatile narrow = static_cast<std::int32_t>(wide);
    std::uint32_t const volatile bits = static_cast<std::uint32_t>(wide);
    Rounding const mode = operands.mode();
    MUT_EXPECT_SAME(from_integer<F>(std::int64_t{wide}, mode),
                    on_host<F>([&](auto&) { return static_cast<Native<F>>(wide); }, mode),
                    std::int64_t{wide});
    MUT_EXPECT_SAME(from_integer<F>(std::int32_t{narrow}, mode),
                    on_host<F>([&](auto&) { return static_cast<Native<F>>(narrow); }, mode),
                    std::int64_t{wide});
    MUT_EXPECT_SAME(from_integer<F>(std::uint32_t{bits}, mode),
                    on_host<F>([&](auto&) { return static_cast<Native<F>>(bits); }, mode),
                    std::int64_t{wide});
    // No unit converts from unsigned 64 bits: an even number is twice its half, exactly.
    auto const even = static_cast<std::uint64_t>(wide) & ~std::uint64_t{1};
    auto doubled = from_integer<F>(static_cast<std::int64_t>(even / 2), mode);
    if (even != 0) doubled.value += F{1} << (sizeof(F) == 4 ? 23 : 52);
    MUT_EXPECT_SAME(from_integer<F>(even, mode), doubled, even);
  }
}

TYPED_TEST(SoftFloat, converts_to_integers_like_the_host_where_they_fit) {
  using F = TypeParam;
  Operands<F> operands{6};
  constexpr int fraction_bits = sizeof(F) == 4 ? 23 : 52;
  constexpr F bias = sizeof(F) == 4 ? 127 : 1023;
  for (int i = 0; i < kRounds; ++i) {
    // Magnitudes from 2^-4 to 2^62.
    F const fraction = static_cast<F>(operands.bits()) & ((F{1} << fraction_bits) - 1) &
                       ~F{0} << operands.bits() % fraction_bits;
    F const a = (operands.next() & kSignBit<F>) |
                (bias - 4 + static_cast<F>(operands.bits() % 66)) << fraction_bits | fraction;
    Rounding const mode = operands.mode();
    Native<F> volatile operand = std::bit_cast<Native<F>>(a);
    std::int64_t integer = 0;
    auto const host = on_host<F>(
        [&](auto&) {
          Native<F> const value = operand;
          if constexpr (sizeof(F) == 4)
            asm volatile("cvtss2si %1, %0" : "=r"(integer) : "x"(value));
          else
            asm volatile("cvtsd2si %1, %0" : "=r"(integer) : "x"(value));
          return Native<F>{};
        },
        mode);
    Outcome<std::int64_t> const expected{integer, host.flags};
    MUT_EXPECT_SAME(to_integer<std::int64_t>(a, mode), expected, a, static_cast<int>(mode));
    if (integer >= 0) {
      auto const ours = to_integer<std::uint64_t>(a, mode);
      ASSERT_EQ(ours.value, static_cast<std::uint64_t>(integer));
      ASSERT_EQ(ours.flags, host.flags);
    }
    auto const narrow = to_integer<std::int32_t>(a, mode);
    bool const fits = integer == static_cast<std::int32_t>(integer);
    std::int32_t const nearest = fits          ? static_cast<std::int32_t>(integer)
                                 : integer < 0 ? INT32_MIN
                                               : INT32_MAX;
    ASSERT_EQ(narrow.value, nearest);
    ASSERT_EQ(narrow.flags, fits ? host.flags : kInvalid);
  }
}

// A tie is what a correctly rounded result is exactly half a unit away from; the error of a sum or
// product is itself a number, which the processor can say (Knuth's two-sum, Dekker's product).
TYPED_TEST(SoftFloat, rounds_ties_away_from_zero_when_asked_and_all_else_to_nearest) {
  using F = TypeParam;
  using N = Native<F>;
  Operands<F> operands{7};
  constexpr int fraction_bits = sizeof(F) == 4 ? 23 : 52;
  int ties = 0;
  auto const check = [&](F nearest, N error, F away, Flags flags, Flags nearest_flags) {
    N const result = std::bit_cast<N>(nearest);
    F const next = nearest + 1;
    N const half_above = (std::bit_cast<N>(next) - result) / 2;  // of the unit away from zero
    bool const tie = error != 0 && error == half_above;
    ties += tie;
    ASSERT_EQ(away, tie ? next : nearest) << std::hex << nearest;
    ASSERT_EQ(flags, nearest_flags);
  };
  for (int i = 0; i < kRounds; ++i) {
    // Short fractions near one: one in a few is a tie, and nothing over- or underflows.
    auto const draw = [&] {
      F const keep = ~F{0} << operands.bits() % fraction_bits;
      F const fraction = static_cast<F>(operands.bits()) & keep & ((F{1} << fraction_bits) - 1);
      F const exponent = (sizeof(F) == 4 ? F{120} : F{1016}) + static_cast<F>(operands.bits() % 12);
      return static_cast<F>((operands.bits() & 1) << (sizeof(F) * 8 - 1)) |
             exponent << fraction_bits | fraction;
    };
    F const a = draw(), b = draw();
    N const volatile x = std::bit_cast<N>(a), y = std::bit_cast<N>(b);

    auto const total = add(a, b, Rounding::nearest_even);
    N const volatile s = x + y;
    N const volatile y_part = s - x;
    N const volatile x_part = s - y_part;
    N const volatile error = (x - x_part) + (y - y_part);
    auto const away = add(a, b, Rounding::nearest_away);
    if (s != 0) check(total.value, error, away.value, away.flags, total.flags);

    auto const product = mul(a, b, Rounding::nearest_even);
    N const volatile p = x * y;
    N const product_error = std::fma(x, y, -p);
    auto const product_away = mul(a, b, Rounding::nearest_away);
    check(product.value, product_error, product_away.value, product_away.flags, product.flags);
    // Quotients and roots of this range have no ties.
    ASSERT_EQ(div(a, b, Rounding::nearest_away).value, div(a, b, Rounding::nearest_even).value);
    ASSERT_EQ(sqrt(a, Rounding::nearest_away).value, sqrt(a, Rounding::nearest_even).value);
  }
  EXPECT_GT(ties, 1'000);
  EXPECT_EQ(to_integer<std::int32_t>(std::bit_cast<F>(N(2.5)), Rounding::nearest_away).value, 3);
  EXPECT_EQ(to_integer<std::int32_t>(std::bit_cast<F>(N(-2.5)), Rounding::nearest_away).value, -3);
  EXPECT_EQ(to_integer<std::int32_t>(std::bit_cast<F>(N(2.5)), Rounding::nearest_even).value, 2);
}

TYPED_TEST(SoftFloat, saturates_what_does_not_fit_an_integer) {
  using F = TypeParam;
  using N = Native<F>;
  auto const of = [](N value) { return std::bit_cast<F>(value); };
  N const infinity = std::numeric_limits<N>::infinity();
  auto const zero = Rounding::to_zero;
  for (F const nan : {kCanonicalNan<F>, kCanonicalNan<F> | kSignBit<F>, F(kCanonicalNan<F> - 1)}) {
    EXPECT_EQ(to_integer<std::int32_t>(nan, zero).value, INT32_MAX);
    EXPECT_EQ(to_integer<std::uint32_t>(nan, zero).value, UINT32_MAX);
    EXPECT_EQ(to_integer<std::int64_t>(nan, zero).value, INT64_MAX);
    EXPECT_EQ(to_integer<std::uint64_t>(nan, zero).value, UINT64_MAX);
    EXPECT_EQ(to_integer<std::uint64_t>(nan, zero).flags, kInvalid);
  }
  EXPECT_EQ(to_integer<std::int64_t>(of(infinity), zero).value, INT64_MAX);
  EXPECT_EQ(to_integer<std::int64_t>(of(-infinity), zero).value, INT64_MIN);
  EXPECT_EQ(to_integer<std::int64_t>(of(N(-0x1p63)), zero).flags, 0);
  EXPECT_EQ(to_integer<std::int64_t>(of(N(0x1p63)), zero).value, INT64_MAX);
  EXPECT_EQ(to_integer<std::int64_t>(of(N(0x1p63)), zero).flags, kInvalid);
  EXPECT_EQ(to_integer<std::uint64_t>(of(N(0x1p63)), zero).value, 1ull << 63);
  EXPECT_EQ(to_integer<std::uint32_t>(of(N(-1)), zero).value, 0u);
  EXPECT_EQ(to_integer<std::uint32_t>(of(N(-1)), zero).flags, kInvalid);
  EXPECT_EQ(to_integer<std::uint32_t>(of(N(-0.75)), zero).value, 0u);
  EXPECT_EQ(to_integer<std::uint32_t>(of(N(-0.75)), zero).flags, kInexact);
  EXPECT_EQ(to_integer<std::uint32_t>(of(N(-0.75)), Rounding::down).flags, kInvalid);
}

TYPED_TEST(SoftFloat, compares_quietly_for_equality_and_loudly_for_order) {
  using F = TypeParam;
  using N = Native<F>;
  F const quiet = kCanonicalNan<F>, signalling = kCanonicalNan<F> - 1;
  F const one = std::bit_cast<F>(N(1)), zero = 0, minus_zero = kSignBit<F>;
  EXPECT_EQ(equal(quiet, one).flags, 0);
  EXPECT_EQ(equal(signalling, one).flags, kInvalid);
  EXPECT_EQ(less(quiet, one).flags, kInvalid);
  EXPECT_EQ(less_equal(one, quiet).flags, kInvalid);
  EXPECT_TRUE(equal(zero, minus_zero).value);
  EXPECT_FALSE(less(minus_zero, zero).value);
  EXPECT_TRUE(less_equal(zero, minus_zero).value);
  Operands<F> operands{8};
  for (int i = 0; i < kRounds / 4; ++i) {
    F const a = operands.next(), b = operands.next();
    N const x = std::bit_cast<N>(a), y = std::bit_cast<N>(b);
    ASSERT_EQ(equal(a, b).value, x == y);
    ASSERT_EQ(less(a, b).value, x < y) << std::hex << a << ' ' << b;
    ASSERT_EQ(less_equal(a, b).value, x <= y);
  }
}

TYPED_TEST(SoftFloat, prefers_numbers_to_nan_in_min_and_max_and_orders_zeros) {
  using F = TypeParam;
  using N = Native<F>;
  F const quiet = kCanonicalNan<F> | 1, signalling = kCanonicalNan<F> - 1;
  F const one = std::bit_cast<F>(N(1)), two = std::bit_cast<F>(N(2)), minus_zero = kSignBit<F>;
  EXPECT_EQ(min(one, two).value, one);
  EXPECT_EQ(max(one, two).value, two);
  EXPECT_EQ(min(quiet, two).value, two);
  EXPECT_EQ(min(quiet, two).flags, 0);
  EXPECT_EQ(max(one, signalling).value, one);
  EXPECT_EQ(max(one, signalling).flags, kInvalid);
  EXPECT_EQ(max(quiet, quiet).value, kCanonicalNan<F>);
  EXPECT_EQ(min(F{0}, minus_zero).value, minus_zero);
  EXPECT_EQ(min(minus_zero, F{0}).value, minus_zero);
  EXPECT_EQ(max(minus_zero, F{0}).value, F{0});
  EXPECT_EQ(max(F{0}, minus_zero).value, F{0});
}

TYPED_TEST(SoftFloat, classifies) {
  using F = TypeParam;
  using L = std::numeric_limits<Native<F>>;
  auto const of = [](Native<F> value) { return classify(std::bit_cast<F>(value)); };
  EXPECT_EQ(of(-L::infinity()), 1u << 0);
  EXPECT_EQ(of(-1), 1u << 1);
  EXPECT_EQ(of(-L::denorm_min()), 1u << 2);
  EXPECT_EQ(classify(kSignBit<F>), 1u << 3);
  EXPECT_EQ(of(0), 1u << 4);
  EXPECT_EQ(of(L::min() / 2), 1u << 5);
  EXPECT_EQ(of(L::min()), 1u << 6);
  EXPECT_EQ(of(L::infinity()), 1u << 7);
  EXPECT_EQ(classify(F(kCanonicalNan<F> - 1)), 1u << 8);
  EXPECT_EQ(classify(kCanonicalNan<F>), 1u << 9);
}

}  // namespace
}  // namespace mutirao::machine::soft_float
