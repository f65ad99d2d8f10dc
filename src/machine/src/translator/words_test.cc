#include <array>
#include <cstdint>

#include <gtest/gtest.h>

#include "hart/difference.h"
#include "testing/engine_side.h"

namespace mutirao::machine {
namespace words_test {
namespace {

using namespace assembler;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kBegin = EngineSide::kRam + 0x10000;

struct Registers {
  Reg to, shifted, from, base;
};
constexpr Reg s8 = 24, s9 = 25;  // have no place of their own in plain blocks
constexpr std::array<Registers, 14> kRegisters{{
    {a0, a0, a0, a2},
    {a0, a0, a1, a2},
    {s8, s8, s8, s9},
    {s8, s8, s9, a2},
    {a0, a0, s9, s8},
    {s9, s9, a0, a0},
    {a0, a1, a0, a2},
    {a0, a1, a1, a1},
    {a0, a1, a2, a1},
    {a0, a1, s8, s9},
    {s8, a1, s8, a1},
    {a0, s8, a1, s8},
    {a1, a1, a0, a1},
    {a0, a0, a1, zero},
}};

/// What `element` makes of `from` is summed up in each round, and in every other one it is entered
/// behind its first instruction.
Code loop_of(Code const& element, Registers const& r) {
  Code loop;
  loop << andi(t1, s1, 1) << bne(t1, zero, 8) << element.words() << add(a3, a3, r.to);
  loop << add(a3, a3, r.shifted) << slli(a4, a3, 7) << xor_(r.from, r.from, a4) << addi(s1, s1, -1);
  loop << bne(s1, zero, -4 * static_cast<std::int32_t>(loop.words().size())) << j(0);
  return loop;
}

void expect_same(Code const& element, Registers const& registers) {
  EngineSide sides[]{EngineSide{false}, EngineSide{true}};
  for (auto& side : sides) {
    side.put(kBegin, loop_of(element, registers));
    side.hart().pc = kBegin;
    for (auto const x : {registers.to, registers.shifted, registers.base})
      if (x != zero) side.hart().x[x] = 0xD1B54A32D192ED03 * x;
    side.hart().x[registers.from] = 0x9E3779B97F4A7C15;
    side.hart().x[s1] = 3000;
    // Ends of budgets fall between the instructions.
    for (std::uint64_t slice = 1; slice < 200; ++slice) side.run(slice);
  }
  EXPECT_EQ(difference(sides[1].hart(), sides[0].hart()), "")
      << "x" << registers.to << " by x" << registers.shifted << " from x" << registers.from
      << " and x" << registers.base;
  EXPECT_GT(sides[1].translator().counts().regions, 0u);
}

TEST(Words, are_taken_out_of_registers_as_by_two_shifts) {
  for (auto const& r : kRegisters)
    for (std::int32_t const back : {0, 1, 2, 16, 30, 31, 32, 33, 63})
      expect_same(Code{} << slli(r.shifted, r.from, 32) << srli(r.to, r.shifted, back), r);
}

TEST(Words, lead_to_elements_of_arrays_as_by_shifts_and_a_sum) {
  for (auto const& r : kRegisters)
    for (std::int32_t const back : {28, 29, 30, 31, 32}) {
      auto const word = Code{} << slli(r.shifted, r.from, 32) << srli(r.to, r.shifted, back);
      expect_same(Code{word} << add(r.to, r.to, r.base), r);
      expect_same(Code{word} << add(r.to, r.base, r.to), r);
      expect_same(Code{word} << add(r.shifted, r.to, r.base), r);
    }
}

TEST(Words, that_are_scaled_lead_to_elements_of_arrays_too) {
  for (auto const& r : kRegisters)
    for (std::int32_t const scale : {0, 1, 2, 3, 4}) {
      expect_same(Code{} << slli(r.to, r.from, scale) << add(r.to, r.to, r.base), r);
      expect_same(Code{} << slli(r.to, r.from, scale) << add(r.to, r.base, r.to), r);
      expect_same(Code{} << slli(r.to, r.from, scale) << add(r.shifted, r.to, r.base), r);
    }
}

}  // namespace
}  // namespace words_test
}  // namespace mutirao::machine
