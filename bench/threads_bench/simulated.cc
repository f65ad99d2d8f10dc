// The simulated runtime: how many timers it fires a second.
#include <chrono>

#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"

namespace bench {

namespace {
constexpr int kSleepers = 10'000;
constexpr int kSleeps = 200;

/// Millions of events (a sleep that ends) a second of CPU time.
double simulated_events() {
  double ns = 0;
  mutirao::threads::runtime runtime{{.simulated = mutirao::threads::simulated_schedule{1}}};
  runtime.run([&] {
    ns = ns_each(kSleepers * kSleeps, [] {
      mutirao::threads::scope scope;
      for (int i = 0; i < kSleepers; ++i) {
        scope.spawn("sleeper",
                    [i] {
                      for (int k = 0; k < kSleeps; ++k) {
                        static_cast<void>(mutirao::threads::sleep_for(
                            std::chrono::microseconds{1 + (i * 7 + k * 13) % 1000}));
                      }
                    },
                    {.stack = mutirao::threads::stack_size::small});
      }
      static_cast<void>(scope.join());
    });
  });
  return 1e3 / ns;
}

Contribution const simulated_rows{[] {
  return std::vector<Row>{
      {.name = "simulated timer events, 10000 threads",
       .peer = "",
       .unit = "million a second",
       .ours = simulated_events,
       .judge = Judge::ours_at_least,
       .gate = 2.0,
       .aim = 5.0},
  };
}};
}  // namespace

}  // namespace bench
