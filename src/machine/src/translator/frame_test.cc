#include "translator/frame.h"

#include <memory>

#include <gtest/gtest.h>

namespace mutirao::machine {
namespace {

TEST(Targets, that_were_forgotten_are_not_found_again_in_any_later_epoch) {
  auto const frame = std::make_unique<HartFrame>();
  auto& state = frame->translation;
  state.set_context(0xABC);
  constexpr std::uint64_t kPc = 0xffff'ffff'8000'1000;
  auto& target = state.targets[TranslationState::target_slot(kPc)];
  for (int times = 0; times < 20; ++times) {
    target.key = kPc ^ state.context_key;
    for (int later = 0; later < 20; ++later) {
      state.forget_targets();
      EXPECT_NE(target.key, kPc ^ state.context_key);
    }
  }
}

TEST(Targets, are_found_in_their_context_alone) {
  auto const frame = std::make_unique<HartFrame>();
  auto& state = frame->translation;
  state.forget_targets();
  state.set_context(1);
  auto const key = state.context_key;
  state.set_context(2);
  EXPECT_NE(key, state.context_key);
  state.set_context(1);
  EXPECT_EQ(key, state.context_key);
}

}  // namespace
}  // namespace mutirao::machine
