#include "thread_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mutirao::cli {
namespace {

using testing::HasSubstr;
using threads::thread_state;
using threads::wait_kind;

threads::runtime_report small_report() {
  threads::runtime_report report;
  report.info.processors = 2;
  report.info.lwps = 3;
  report.info.lwps_blocked = 1;
  report.info.switches = 300;
  report.info.steals = 7;
  report.info.guard = "madvise";
  report.info.files = "io_uring";
  report.processors = {{.index = 0, .queued = 2, .switches = 100, .steals = 3},
                       {.index = 1, .switches = 200, .steals = 4, .in_blocking_call = true}};
  threads::thread_info main;
  main.id = 1;
  main.name = "main";
  main.state = thread_state::parked;
  main.waits_for = wait_kind::join;
  main.wait = "the threads of its scope";
  main.since = 10s;
  main.age = 90s;
  auto peer = main;
  peer.id = 2;
  peer.name = "peer\x1b[31m";
  peer.depth = 1;
  peer.waits_for = wait_kind::readable;
  peer.wait = "reading descriptor 9";
  peer.since = 20s;
  auto saver = peer;
  saver.id = 3;
  saver.name = "saver";
  saver.state = thread_state::blocked;
  saver.waits_for = wait_kind::blocking_call;
  saver.wait = "a blocking call";
  saver.since = 1s;
  report.threads = {main, peer, saver};
  return report;
}

TEST(ThreadList, indents_by_scope_and_keeps_names_from_the_terminal) {
  auto const text = thread_list(small_report());
  EXPECT_THAT(text, HasSubstr("3 threads: 0 running, 0 ready, 2 parked, 1 blocked; 2 processors, 3 "
                              "LWPs, 1 in blocking calls, 0 at rest\n300 switches, 7 steals, 0 "
                              "stalls, 0 LWPs refused"));
  EXPECT_THAT(text, HasSubstr("\n2   "));
  EXPECT_THAT(text, HasSubstr("  peer?[31m"));
  EXPECT_THAT(text, HasSubstr("reading descriptor 9"));
}

TEST(ThreadTop, shows_rates_the_blocked_and_the_longest_waits_first) {
  auto now = small_report();
  auto before = now;
  before.processors[0].switches = 60;
  auto const lines = thread_top(now, before, 2s);
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[1], "processor 0: 2 queued, 20 switches/s, 0 steals/s");
  EXPECT_THAT(lines[2], HasSubstr("its LWP is in a blocking call"));
  EXPECT_EQ(lines[3], "parked for: join 1, readable 1");
  EXPECT_THAT(lines[5], HasSubstr("saver"));
  EXPECT_THAT(lines[6], HasSubstr("peer"));
  EXPECT_THAT(lines[7], HasSubstr("main"));
}

TEST(ThreadTop, says_nothing_of_rates_at_first) {
  EXPECT_EQ(thread_top(small_report(), std::nullopt, {})[1], "processor 0: 2 queued");
}

}  // namespace
}  // namespace mutirao::cli
