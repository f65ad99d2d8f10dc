// A million parked threads: what each costs in memory and in CPU time, and how many memory mappings
// the process ends up with. Each measurement runs in a process of its own.
#include <cstdio>
#include <fstream>
#include <string>
#include <unistd.h>

#include <boost/fiber/all.hpp>
#include <fmt/format.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"
#include "runtimes.h"

namespace bench {

namespace {
constexpr long kParked = 1'000'000;

enum class Cost { bytes, cpu_ns, mappings };

double resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  double total_pages = 0;
  double resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double mappings() {
  std::ifstream file{"/proc/self/maps"};
  std::string line;
  long count = 0;
  while (std::getline(file, line)) ++count;
  return static_cast<double>(count);
}

/// Notes what this process uses, and tells the difference.
struct Before {
  double bytes = resident_bytes();
  double cpu_s = process_cpu_s();

  double cost(Cost wanted) const {
    switch (wanted) {
      case Cost::bytes:
        return (resident_bytes() - bytes) / static_cast<double>(kParked);
      case Cost::cpu_ns:
        return (process_cpu_s() - cpu_s) * 1e9 / static_cast<double>(kParked);
      case Cost::mappings:
        break;
    }
    return mappings();
  }
};

/// Ends the process with all of them parked: to wake them is no part of this.
double ours_parked(Cost wanted) {
  double result = 0;
  mutirao::threads::runtime runtime{{.processors = 1}};
  runtime.run([&] {
    Before const before;
    mutirao::threads::channel<int> never{1};
    mutirao::threads::scope scope;
    for (long i = 0; i < kParked; ++i) {
      scope.spawn("parked", [&] { static_cast<void>(never.receive()); });
      if (i % 1000 == 0) mutirao::threads::yield();
    }
    mutirao::threads::yield();
    result = before.cost(wanted);
    never.close();
    static_cast<void>(scope.join());
  });
  return result;
}

double fibers_parked(Cost wanted) {
  double result = 0;
  static_cast<void>(fibers_ns(1, [&] {
    Before const before;
    boost::fibers::buffered_channel<int> never{2};
    std::vector<boost::fibers::fiber> all;
    all.reserve(kParked);
    for (long i = 0; i < kParked; ++i) {
      all.emplace_back(std::allocator_arg, boost::fibers::fixedsize_stack{16384}, [&] {
        int value = 0;
        never.pop(value);
      });
      if (i % 1000 == 0) boost::this_fiber::yield();
    }
    boost::this_fiber::yield();
    result = before.cost(wanted);
    never.close();
    for (auto& each : all) each.join();
  }));
  return result;
}

Run ours_in_child(Cost wanted) {
  return [=] { return in_child([=] { return ours_parked(wanted); }); };
}
Run fibers_in_child(Cost wanted) {
  return [=] { return in_child([=] { return fibers_parked(wanted); }); };
}
Run go_in_child(std::string const& what) {
  return [=] { return ask_go(fmt::format("park {} {}", kParked, what)); };
}

Contribution const parking_rows{[] {
  return std::vector<Row>{
      {.name = "a million parked, all guarded: memory each",
       .peer = "Boost.Fiber, unguarded",
       .unit = "bytes",
       .ours = ours_in_child(Cost::bytes),
       .theirs = fibers_in_child(Cost::bytes),
       .gate = 0.6,
       .aim = 0.47,
       .rounds_max = 1},
      {.name = "a million parked, all guarded: memory each",
       .peer = "Go",
       .unit = "bytes",
       .ours = ours_in_child(Cost::bytes),
       .theirs = go_in_child("bytes"),
       .judge = Judge::inform,
       .rounds_max = 1},
      {.name = "a million parked, all guarded: mappings",
       .peer = "",
       .unit = "mappings",
       .ours = ours_in_child(Cost::mappings),
       .judge = Judge::ours_at_most,
       .gate = 999,
       .aim = 999,
       .rounds_max = 1},
      // Two thirds of ours is the kernel's, which differs from machine to machine: each thread has
      // a page of its own, that faults in, and a guard.
      {.name = "a million parked: CPU to start each",
       .peer = "Go",
       .unit = "ns",
       .ours = ours_in_child(Cost::cpu_ns),
       .theirs = go_in_child("ns"),
       .judge = Judge::inform,
       .rounds_max = 1},
  };
}};
}  // namespace

}  // namespace bench
