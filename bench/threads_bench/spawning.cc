// Starting threads and waiting for their end, beside Go and Boost.Fiber; and a whole tree of work
// over two processors.
#include <cstdint>

#include <boost/fiber/all.hpp>
#include <fmt/format.h>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"

#include "measure.h"
#include "runtimes.h"

namespace bench {

namespace {
constexpr long kSpawns = 200'000;

double ours_spawn_join() {
  return ours_ns(kSpawns, [] {
    mutirao::threads::scope scope;
    for (long i = 0; i < kSpawns; ++i) {
      scope.spawn("child", [] {});
      static_cast<void>(scope.join());
    }
  });
}

double fiber_spawn_join() {
  return fibers_ns(kSpawns, [] {
    boost::fibers::pooled_fixedsize_stack stacks{65536};
    for (long i = 0; i < kSpawns; ++i)
      boost::fibers::fiber{std::allocator_arg, stacks, [] {}}.join();
  });
}

constexpr int kTasks = 20'000;
constexpr int kSpinRounds = 5000;  // about 10 us

void spin() {
  std::uint64_t x = 88172645463325252;
  for (int i = 0; i < kSpinRounds; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    asm volatile("" : "+r"(x));
  }
}

/// Tasks a millisecond of elapsed time.
double ours_fork_join(unsigned processors) {
  double ns = 0;
  mutirao::threads::runtime runtime{{.processors = processors}};
  runtime.run([&] {
    ns = wall_ns_each(kTasks, [] {
      mutirao::threads::scope scope;
      for (int i = 0; i < kTasks; ++i) scope.spawn("task", spin);
      static_cast<void>(scope.join());
    });
  });
  return 1e6 / ns;
}

double go_fork_join(int processors) {
  return 1e6 / ask_go(fmt::format("fork-join {} {} {}", processors, kTasks, kSpinRounds));
}

Contribution const spawning_rows{[] {
  return std::vector<Row>{
      {.name = "spawn and join",
       .peer = "Go",
       .unit = "ns",
       .ours = ours_spawn_join,
       .theirs = [] { return ask_go(fmt::format("spawn {}", kSpawns)); },
       .gate = 1.0,
       .aim = 0.5},
      {.name = "spawn and join",
       .peer = "Boost.Fiber, pooled",
       .unit = "ns",
       .ours = ours_spawn_join,
       .theirs = fiber_spawn_join,
       .judge = Judge::inform},
      {.name = "fork and join over two processors",
       .peer = "ours on one",
       .unit = "tasks/ms elapsed",
       .ours = [] { return ours_fork_join(2); },
       .theirs = [] { return ours_fork_join(1); },
       .judge = Judge::ratio_at_least,
       .gate = 1.7,
       .aim = 1.9},
      {.name = "fork and join over two processors",
       .peer = "Go",
       .unit = "tasks/ms elapsed",
       .ours = [] { return ours_fork_join(2); },
       .theirs = [] { return go_fork_join(2); },
       .judge = Judge::inform},
  };
}};
}  // namespace

}  // namespace bench
