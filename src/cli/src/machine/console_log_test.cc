#include "machine/console_log.h"

#include <gtest/gtest.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"

namespace mutirao::cli {
namespace {

void on_user_thread(std::function<void()> const& body) {
  threads::runtime runtime{{.processors = 1}};
  runtime.run(body);
}

std::string all_of(ConsoleLog& log) {
  ConsoleLog::Reader reader{log};
  std::string all;
  for (;;) {
    auto const piece = *reader.next(Deadline::never());
    if (!piece) return all;
    all += *piece;
  }
}

TEST(ConsoleLog, shows_all_who_look_the_same_also_those_who_come_late) {
  on_user_thread([] {
    ConsoleLog log;
    std::array<std::string, 2> seen;
    threads::scope scope;
    scope.spawn("early", [&] { seen[0] = all_of(log); });
    log.append("booting\n");
    scope.spawn("late", [&] { seen[1] = all_of(log); });
    log.append("booted\n");
    log.close();
    EXPECT_TRUE(scope.join());
    EXPECT_EQ(seen[0], "booting\nbooted\n");
    EXPECT_EQ(seen[1], seen[0]);
  });
}

TEST(ConsoleLog, keeps_the_last_bytes_and_holds_nobody_up) {
  on_user_thread([] {
    ConsoleLog log{10};
    for (char each = 'a'; each <= 'z'; ++each) log.append(std::string(3, each));
    log.close();
    EXPECT_EQ(all_of(log), "wxxxyyyzzz");
  });
}

TEST(ConsoleLog, lets_one_client_type_at_a_time) {
  on_user_thread([] {
    ConsoleLog log;
    {
      auto const first = ConsoleLog::Keyboard::take(log, 1);
      ASSERT_TRUE(first);
      EXPECT_TRUE(log.may_type(1));
      EXPECT_FALSE(log.may_type(2));
      auto const second = ConsoleLog::Keyboard::take(log, 2);
      ASSERT_FALSE(second);
      EXPECT_EQ(second.error().fault, Fault::refused);
    }
    EXPECT_FALSE(log.may_type(1));
    EXPECT_TRUE(ConsoleLog::Keyboard::take(log, 2));
  });
}

}  // namespace
}  // namespace mutirao::cli
