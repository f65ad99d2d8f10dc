// Of a blocking section: the processor goes to a spare LWP or stays with the one that blocks, and
// never to both; the thread goes on in either case.
#include <gtest/gtest.h>

#include "mutirao/threads/blocking.h"

#include "hunt.h"
#include "kernel.h"
#include "machine.h"

namespace mutirao::threads {
namespace {

using model::execution;
using model::flaw;
using model::machine;

/// Who runs threads on the processor at this moment.
struct occupancy {
  std::atomic<int> holders{0};
  int passes = 0;
  void pass() {
    MODEL_REQUIRE(current_lwp()->own != nullptr);
    MODEL_REQUIRE(holders.fetch_add(1) == 0);
    ++passes;
    MODEL_REQUIRE(holders.fetch_sub(1) == 1);
  }
};

void block_and_lend(execution& run, int sections, int looks) {
  auto& one = run.keep<machine>(1u);
  auto& seat = run.keep<occupancy>();
  one.start(0, "blocks", [&, sections] {
    for (int i = 0; i < sections; ++i) {
      {
        blocking_section const section;
        MODEL_REQUIRE(current_lwp()->own == nullptr);
      }
      seat.pass();
    }
  });
  one.start(0, "waits", [&] { seat.pass(); });
  run.thread("lwp", [&] { one.work(0); });
  run.background_thread("spare", [&] { one.rest(); });
  run.thread("monitor", [&, looks] {
    for (int i = 0; i < looks; ++i) monitor_access::look_at_blocked(one.state.watch, 0);
  });
  run.finally([&, sections] {
    one.drain();
    MODEL_REQUIRE(one.all_ended());
    MODEL_REQUIRE(seat.passes == 1 + sections);
    MODEL_REQUIRE(one.state.lent.load() == 0);
  });
}

TEST(HandOverModel, a_processor_has_one_holder_while_a_call_ends_and_the_monitor_lends_it) {
  auto const proof = model::prove("hand-over", [](execution& run) { block_and_lend(run, 1, 2); },
                                  {"blocking.cc", "monitor.cc"});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
  EXPECT_TRUE(proof.found("~blocking_section", flaw::torn));
  EXPECT_TRUE(proof.found("~blocking_section", flaw::lost));
}

TEST(HandOverModel, a_second_section_is_not_taken_for_the_first) {
  auto const proof =
      model::prove("hand-over, two sections", [](execution& run) { block_and_lend(run, 2, 3); },
                   {"blocking.cc", "monitor.cc"});
  ASSERT_FALSE(proof.sound.failure) << *proof.sound.failure;
  EXPECT_TRUE(proof.sound.complete);
}

}  // namespace
}  // namespace mutirao::threads
