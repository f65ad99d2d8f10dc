#include <cstdint>

#include <gtest/gtest.h>

#include "hart/difference.h"
#include "testing/engine_side.h"

namespace mutirao::machine {
namespace slices_test {
namespace {

using namespace assembler;  // NOLINT(google-build-using-namespace)

constexpr GuestAddress kBegin = EngineSide::kRam + 0x10000;

/// Seven instructions a round.
EngineSide& with_loop(EngineSide& side) {
  Code loop;
  loop << addi(a0, a0, 1) << xor_(a1, a1, a0) << slli(a2, a1, 3) << add(a3, a3, a2);
  loop << addi(a4, a3, 5) << xor_(a5, a5, a4) << j(-24);
  side.put(kBegin, loop);
  side.hart().pc = kBegin;
  return side;
}

TEST(Slices, that_need_not_be_exact_end_with_a_block_and_interpret_nothing) {
  EngineSide translated{true}, interpreted{false};
  auto& translator = with_loop(translated).translator();
  for (int slice = 0; slice < 1000; ++slice) {
    auto const before = translated.hart().steps;
    EXPECT_EQ(translator.run_about(1000), HartEngine::Stop::budget);
    auto const ran = translated.hart().steps - before;
    EXPECT_LE(ran, 1000u);
    EXPECT_GT(ran, 900u);
    EXPECT_EQ(translated.hart().pc, kBegin);
  }
  EXPECT_EQ(translator.counts().interpreted, 0u);
  with_loop(interpreted).run(translated.hart().steps);
  EXPECT_EQ(difference(interpreted.hart(), translated.hart()), "");
}

TEST(Slices, that_are_shorter_than_a_block_get_on_all_the_same) {
  EngineSide translated{true};
  auto& translator = with_loop(translated).translator();
  for (std::uint64_t slice = 0; slice < 100; ++slice) translator.run_about(3);
  EXPECT_EQ(translated.hart().steps, 300u);
}

}  // namespace
}  // namespace slices_test
}  // namespace mutirao::machine
