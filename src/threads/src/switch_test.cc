// Goal: our switch of stacks does what Boost.Context's does, and what it does not keep, the threads
// do. Method: the same programs on both.
#include "switch.h"

#include <array>
#include <cfenv>
#include <cstdint>
#include <execinfo.h>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "float_control.h"
#include "sanitizers.h"
#include "testing.h"

namespace mutirao::threads {
namespace {

// The sanitizers must be told of each switch, which is what context.h does; here are bare ones.
#if !defined(MUT_ADDRESS_SANITIZER) && !defined(MUT_THREAD_SANITIZER)

#if defined(__x86_64__)
struct Own {
  using saved = switch_x86_64::saved_stack;
  static void prepare(saved& stack, std::byte* top, std::size_t size, void (*first)()) {
    switch_x86_64::prepare_stack(stack, top, size, first);
  }
  [[gnu::noinline]] static void go(saved& from, saved& to) {
    switch_x86_64::switch_stack(from, to);
  }
};
#endif
struct Boosts {
  using saved = switch_fcontext::saved_stack;
  static void prepare(saved& stack, std::byte* top, std::size_t size, void (*first)()) {
    switch_fcontext::prepare_stack(stack, top, size, first);
  }
  [[gnu::noinline]] static void go(saved& from, saved& to) {
    switch_fcontext::switch_stack(from, to);
  }
};

/// A few stacks that switch to one another in an order drawn from the seed, each deep in a
/// recursion of its own; what they computed on the way.
template <class Switch>
struct Wanderers {
  static constexpr std::size_t kStacks = 5;
  static constexpr int kSteps = 2000;
  static constexpr std::size_t kStackSize = 64u << 10;

  std::array<typename Switch::saved, kStacks> stacks;
  std::array<std::unique_ptr<std::byte[]>, kStacks> memory;
  typename Switch::saved home;
  std::size_t running = 0;
  std::uint64_t random = 0;
  int steps = 0;
  std::vector<std::uint64_t> trace;
  static inline Wanderers* current = nullptr;

  std::uint64_t draw() {
    random = random * 6364136223846793005 + 1442695040888963407;
    return random >> 33;
  }

  void go_on() {
    auto& from = stacks[running];
    if (++steps >= kSteps) {
      Switch::go(from, home);
      return;
    }
    running = draw() % kStacks;
    if (&stacks[running] != &from) Switch::go(from, stacks[running]);
  }

  /// Keeps values of both kinds alive across the switches, in registers and on the stack.
  [[gnu::noinline]] std::uint64_t wander(int depth, std::uint64_t a, double x) {
    std::uint64_t const b = a * 3 + 1;
    std::uint64_t const c = a ^ 0x5555;
    double const y = x * 1.5;
    go_on();
    trace.push_back(a + b * 7 + c * 11 + static_cast<std::uint64_t>(x + y));
    if (depth > 0) a += wander(depth - 1, b, y + 1);
    go_on();
    return a ^ b ^ c ^ static_cast<std::uint64_t>(y);
  }

  static void first() {
    auto& self = *current;
    for (std::uint64_t round = 0;; ++round)
      self.trace.push_back(self.wander(static_cast<int>(self.draw() % 20), round, 1.25));
  }

  std::vector<std::uint64_t> run(std::uint64_t seed) {
    current = this;
    random = seed;
    for (std::size_t i = 0; i < kStacks; ++i) {
      memory[i] = std::make_unique<std::byte[]>(kStackSize);
      Switch::prepare(stacks[i], memory[i].get() + kStackSize, kStackSize, first);
    }
    Switch::go(home, stacks[0]);
    return std::move(trace);
  }
};

#if defined(__x86_64__)
TEST(Switch, does_what_that_of_boost_does) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(Wanderers<Own>{}.run(seed), Wanderers<Boosts>{}.run(seed)) << "seed " << seed;
  }
}
#endif

TEST(Switch, ends_the_back_trace_at_the_first_function_of_a_thread) {
  run_real(1, [] {
    std::array<void*, 64> frames;
    int const before = backtrace(frames.data(), frames.size());
    yield();
    int const after = backtrace(frames.data(), frames.size());
    EXPECT_GT(before, 2);
    EXPECT_LT(before, 60);
    EXPECT_EQ(before, after);
  });
}
#endif

TEST(Rounding, stays_with_the_thread_that_set_it) {
  run_real(2, [] {
    scope inner;
    for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST}) {
      inner.spawn("rounds", [mode] {
        fesetround(mode);
        for (int i = 0; i < 200; ++i) {
          yield();
          EXPECT_EQ(fegetround(), mode);
        }
      });
    }
    EXPECT_TRUE(inner.join());
    EXPECT_EQ(fegetround(), FE_TONEAREST);
  });
}

TEST(Rounding, is_inherited_from_the_thread_that_spawns) {
  run_real(1, [] {
    fesetround(FE_UPWARD);
    scope inner;
    inner.spawn("child", [] { EXPECT_EQ(fegetround(), FE_UPWARD); });
    EXPECT_TRUE(inner.join());
  });
}

#if defined(__x86_64__)
TEST(Rounding, of_the_old_floating_point_unit_moves_along_too) {
  run_real(1, [] {
    auto const usual = read_float_control();
    constexpr float_control kSinglePrecision = 0x0300u << 16;  // of the x87 alone
    scope inner;
    inner.spawn("single precision", [&] {
      load_float_control(usual & ~kSinglePrecision);
      yield();
      EXPECT_EQ(read_float_control(), usual & ~kSinglePrecision);
    });
    inner.spawn("double precision", [&] { EXPECT_EQ(read_float_control(), usual); });
    EXPECT_TRUE(inner.join());
  });
}
#endif

}  // namespace
}  // namespace mutirao::threads
