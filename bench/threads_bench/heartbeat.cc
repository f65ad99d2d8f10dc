// How late a thread wakes that sleeps 1 ms at a time, while 256 others are in calls of 50 ms that
// block their LWPs, all on one processor. Every beat counts, those while the LWPs are still being
// made too.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <unistd.h>
#include <vector>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"

namespace bench {

namespace {
namespace threads = mutirao::threads;
using Clock = std::chrono::steady_clock;
constexpr int kBlockers = 256;
constexpr useconds_t kCallUs = 50'000;
constexpr std::chrono::seconds kTime{4};

double p99_us(std::vector<double>& late) {
  auto const at = static_cast<std::ptrdiff_t>(late.size() * 99 / 100);
  std::ranges::nth_element(late, late.begin() + at);
  return late[static_cast<std::size_t>(at)];
}

double beat(void (*block)()) {
  std::vector<double> late;
  threads::runtime one{{.processors = 1}};
  one.run([&] {
    std::atomic<bool> over{false};
    threads::scope all;
    for (int i = 0; i < kBlockers; ++i) {
      all.spawn("blocker", [&] {
        while (!over) {
          block();
          threads::yield();
        }
      });
    }
    for (auto const until = Clock::now() + kTime; Clock::now() < until;) {
      auto const before = Clock::now();
      static_cast<void>(threads::sleep_for(std::chrono::milliseconds{1}));
      std::chrono::duration<double, std::micro> const slept = Clock::now() - before;
      late.push_back(slept.count() - 1000);
    }
    over = true;
    static_cast<void>(all.join());
  });
  return p99_us(late);
}

void block_announced() {
  threads::blocking([] { ::usleep(kCallUs); });
}
void block_unannounced() { ::usleep(kCallUs); }

Contribution const contributed{[] {
  return std::vector<Row>{
      {.name = "heartbeat p99, 256 announced blockers",
       .peer = "Go",
       .unit = "us late, elapsed",
       .ours = [] { return in_child([] { return beat(block_announced); }); },
       .theirs = [] { return ask_go("heartbeat 256 50 4"); },
       .judge = Judge::ratio_at_most,
       .gate = 1.0,
       .aim = 0.7,
       .rounds_max = 3},
      {.name = "heartbeat p99, 256 unannounced blockers",
       .peer = "",
       .unit = "ms late, elapsed",
       .ours = [] { return in_child([] { return beat(block_unannounced) / 1000; }); },
       .judge = Judge::ours_at_most,
       .gate = 15,
       .aim = 11,
       .rounds_max = 3},
  };
}};
}  // namespace

}  // namespace bench
