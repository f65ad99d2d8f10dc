#include "machine/monitor_report.h"

#include <array>
#include <csignal>
#include <sys/syscall.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mutirao/middleware/json_values.h"
#include "mutirao/world/jail.h"

#include "process.h"

namespace mutirao::cli {
namespace {

using testing::HasSubstr;

TEST(MonitorReport, tells_how_the_guest_ended) {
  MachineEnd const end{.ended = "powered_off", .code = 7, .instructions = 123, .seconds = 1.5};
  auto const told = end_told("ready\n" + middleware::json_of(end) + "\n", 0);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->ended, "powered_off");
  EXPECT_EQ(told->code, 7u);
  EXPECT_EQ(told->instructions, 123u);
}

TEST(MonitorReport, tells_why_a_machine_could_not_be_made) {
  auto const told = end_told(R"({"error":{"fault":"invalid","what":"no kernel","mend":"give one"}})"
                             "\n",
                             1);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().what, "no kernel");
  EXPECT_EQ(told.error().mend, "give one");
}

TEST(MonitorReport, is_that_it_was_killed_whatever_else_it_says) {
  for (std::string_view const told :
       {"", "ready\n", "ready\n{\"ended\":", "59\n", "[[[[", "\n\n"}) {
    auto const end = end_told(told, 128 + SIGKILL);
    ASSERT_TRUE(end) << told;
    EXPECT_EQ(end->ended, "killed") << told;
    EXPECT_EQ(end->what, "the monitor was ended by signal 9") << told;
  }
}

// Goal: a monitor in which a guest took over ends at the first call that it has no business with,
// and the parent, which goes on, can say which one it was.
TEST(MonitorReport, names_the_system_call_that_a_monitor_must_not_make) {
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  std::array const calls{world::jail::Calls::compute};
  auto monitor = Process::copy([&] {
    if (!world::jail::give_up_privileges() || !world::jail::allow_only(calls, pipe[1])) return 1;
    ::syscall(SYS_execve, "/bin/sh", nullptr, nullptr);
    return 0;
  });
  ASSERT_TRUE(monitor);
  ::close(pipe[1]);
  std::array<char, 64> bytes;
  auto const got = ::read(pipe[0], bytes.data(), bytes.size());
  ::close(pipe[0]);
  ASSERT_GT(got, 0);
  auto const code = monitor->wait(std::chrono::seconds{10});
  auto const end = end_told({bytes.data(), static_cast<std::size_t>(got)}, code.value_or(0));
  ASSERT_TRUE(end);
  EXPECT_EQ(end->ended, "violated");
  EXPECT_THAT(end->what, HasSubstr("the monitor did what it must not: system call execve (59)"));
}

}  // namespace
}  // namespace mutirao::cli
