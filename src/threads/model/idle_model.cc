// Of the idle LWPs: no thread stays queued while all of them wait in the poller. The whole
// scheduler runs here: queues, stealing, idleness, calls to the poller, the end.
#include <gtest/gtest.h>

#include "hunt.h"
#include "kernel.h"
#include "machine.h"

namespace mutirao::threads {
namespace {

using model::execution;
using model::flaw;
using model::machine;

std::vector<std::string_view> const kIdleSources{"runtime_state.cc", "run_queue.h", "run_queue.cc"};

TEST(IdleModel, an_lwp_that_falls_asleep_sees_the_thread_that_comes_from_outside) {
  auto const proof = model::prove(
      "idle, from outside",
      [](execution& run) {
        auto& one = run.keep<machine>(1u);
        auto& ran = run.keep<int>(0);
        auto& thread = one.prepare("injected", [&] { ++ran; });
        run.thread("lwp", [&] { one.serve(0); });
        run.thread("outside", [&] { one.state.inject(thread); });
        run.finally([&] { MODEL_REQUIRE(one.all_ended() && ran == 1); });
      },
      kIdleSources);
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  EXPECT_TRUE(proof.found("wait_for_work", flaw::lost));
  EXPECT_TRUE(proof.found("push_all", flaw::lost));
}

TEST(IdleModel, two_lwps_that_fall_asleep_leave_no_thread_behind) {
  auto const proof =
      model::prove("idle, two LWPs",
                   [](execution& run) {
                     auto& two = run.keep<machine>(2u);
                     auto& ran = run.keep<std::atomic<int>>(0);
                     auto& second = two.prepare("second", [&] { ran.fetch_add(1); });
                     two.start(0, "first", [&] {
                       two.state.ready(second);
                       ran.fetch_add(1);
                     });
                     run.thread("lwp 0", [&] { two.serve(0); });
                     run.thread("lwp 1", [&] { two.serve(1); });
                     run.finally([&] { MODEL_REQUIRE(two.all_ended() && ran.load() == 2); });
                   },
                   {});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
}

TEST(IdleModel, two_lwps_that_fall_asleep_see_the_thread_that_comes_from_outside) {
  auto const proof =
      model::prove("idle, two LWPs, from outside",
                   [](execution& run) {
                     auto& two = run.keep<machine>(2u);
                     auto& ran = run.keep<int>(0);
                     auto& thread = two.prepare("injected", [&] { ++ran; });
                     run.thread("lwp 0", [&] { two.serve(0); });
                     run.thread("lwp 1", [&] { two.serve(1); });
                     run.thread("outside", [&] { two.state.inject(thread); });
                     run.finally([&] { MODEL_REQUIRE(two.all_ended() && ran == 1); });
                   },
                   {}, {.executions_max = model::unless_all(100'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
}

TEST(IdleModel, a_thread_that_never_parks_shares_what_it_made_ready) {
  auto const proof =
      model::prove("idle, shares",
                   [](execution& run) {
                     auto& two = run.keep<machine>(2u);
                     auto& ran = run.keep<std::atomic<int>>(0);
                     auto& second = two.prepare("second", [&] { ran.fetch_add(1); });
                     auto& third = two.prepare("third", [&] { ran.fetch_add(1); });
                     two.start(0, "first", [&] {
                       two.state.ready(second);
                       two.state.ready(third);
                       ran.wait(0);
                     });
                     run.thread("lwp 0", [&] { two.work(0); });
                     run.thread("lwp 1", [&] { two.serve(1); });
                     run.finally([&] { MODEL_REQUIRE(two.all_ended() && ran.load() == 2); });
                   },
                   {"run_queue.h", "run_queue.cc"}, {.executions_max = model::unless_all(60'000)});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.found("push", flaw::torn));
}

}  // namespace
}  // namespace mutirao::threads
