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

/// Takes a word out of `from` by two shifts in each round, and in every other one only by the
/// second of them.
Code loop_of_words(Reg to, Reg from, std::int32_t back) {
  Code loop;
  loop << andi(t1, s1, 1) << bne(t1, zero, 8) << slli(to, from, 32) << srli(to, to, back);
  loop << add(a3, a3, to) << slli(a4, a3, 7) << xor_(from, from, a4) << addi(s1, s1, -1);
  loop << bne(s1, zero, -32) << j(0);
  return loop;
}

TEST(Words, are_taken_out_of_registers_as_by_two_shifts) {
  struct Registers {
    Reg to, from;
  };
  constexpr Reg s8 = 24, s9 = 25;  // have no place of their own in plain blocks
  constexpr std::array<Registers, 6> kRegisters{
      {{a0, a0}, {a0, a1}, {s8, s8}, {s8, s9}, {a0, s9}, {s9, a0}}};
  for (auto const& [to, from] : kRegisters)
    for (std::int32_t const back : {0, 1, 2, 16, 30, 31, 32, 33, 63}) {
      EngineSide sides[]{EngineSide{false}, EngineSide{true}};
      for (auto& side : sides) {
        side.put(kBegin, loop_of_words(to, from, back));
        side.hart().pc = kBegin;
        side.hart().x[from] = 0x9E3779B97F4A7C15;
        side.hart().x[s1] = 3000;
        // Ends of budgets fall between the two.
        for (std::uint64_t slice = 1; slice < 200; ++slice) side.run(slice);
      }
      EXPECT_EQ(difference(sides[1].hart(), sides[0].hart()), "")
          << "x" << to << " from x" << from << " by " << back;
      EXPECT_GT(sides[1].translator().counts().regions, 0u);
    }
}

}  // namespace
}  // namespace words_test
}  // namespace mutirao::machine
