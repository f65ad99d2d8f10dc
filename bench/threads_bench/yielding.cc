// Giving way to other ready threads, beside Go and Boost.Fiber.
#include <boost/fiber/all.hpp>
#include <fmt/format.h>

#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"
#include "runtimes.h"

namespace bench {

namespace {
double ours_yield(int threads, long rounds) {
  return ours_ns(static_cast<double>(threads * rounds), [&] {
    mutirao::threads::scope scope;
    for (int i = 0; i < threads; ++i) {
      scope.spawn("yielder",
                  [&] {
                    for (long k = 0; k < rounds; ++k) mutirao::threads::yield();
                  },
                  {.stack = mutirao::threads::stack_size::small});
    }
    static_cast<void>(scope.join());
  });
}

double fiber_yield(int threads, long rounds) {
  return fibers_ns(static_cast<double>(threads * rounds), [&] {
    std::vector<boost::fibers::fiber> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back(std::allocator_arg, boost::fibers::fixedsize_stack{16384}, [&] {
        for (long k = 0; k < rounds; ++k) boost::this_fiber::yield();
      });
    }
    for (auto& each : all) each.join();
  });
}

void add_rows(std::vector<Row>& rows, int threads, long rounds) {
  std::string const name = fmt::format("yield, {} threads", threads);
  auto const ours = [=] { return ours_yield(threads, rounds); };
  rows.push_back({.name = name,
                  .peer = "Go",
                  .unit = "ns",
                  .ours = ours,
                  .theirs = [=] { return ask_go(fmt::format("yield {} {}", threads, rounds)); },
                  .gate = 1.0,
                  .aim = 0.7});
  rows.push_back({.name = name,
                  .peer = "Boost.Fiber",
                  .unit = "ns",
                  .ours = ours,
                  .theirs = [=] { return fiber_yield(threads, rounds); },
                  .judge = Judge::inform});
}

Contribution const yielding_rows{[] {
  std::vector<Row> rows;
  add_rows(rows, 2, 500'000);
  add_rows(rows, 10'000, 100);
  return rows;
}};
}  // namespace

}  // namespace bench
