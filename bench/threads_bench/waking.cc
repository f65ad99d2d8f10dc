// Round trips between two threads that wait for each other, beside Go, Boost.Fiber and std::thread.
#include <condition_variable>
#include <mutex>
#include <thread>

#include <boost/fiber/all.hpp>
#include <fmt/format.h>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

#include "measure.h"
#include "runtimes.h"

namespace bench {

namespace {
constexpr long kTrips = 200'000;

double ours_channel() {
  return ours_ns(kTrips, [] {
    mutirao::threads::channel<int> there{1};
    mutirao::threads::channel<int> back{1};
    mutirao::threads::scope scope;
    scope.spawn("echo", [&] {
      for (long i = 0; i < kTrips; ++i) static_cast<void>(back.send(*there.receive()));
    });
    for (long i = 0; i < kTrips; ++i) {
      static_cast<void>(there.send(1));
      static_cast<void>(back.receive());
    }
    static_cast<void>(scope.join());
  });
}

double fiber_channel() {
  return fibers_ns(kTrips, [] {
    boost::fibers::buffered_channel<int> there{2};
    boost::fibers::buffered_channel<int> back{2};
    boost::fibers::fiber echo{[&] {
      int value = 0;
      for (long i = 0; i < kTrips; ++i) {
        there.pop(value);
        back.push(value);
      }
    }};
    int value = 0;
    for (long i = 0; i < kTrips; ++i) {
      there.push(1);
      back.pop(value);
    }
    echo.join();
  });
}

/// Two sides take turns through one mutex and one condition variable each.
template <class Mutex, class Condition>
struct Turns {
  Mutex mutex;
  Condition changed[2];
  int turn = 0;

  void play(int me, long trips) {
    for (long i = 0; i < trips; ++i) {
      std::unique_lock lock{mutex};
      while (turn != me) static_cast<void>(changed[me].wait(lock));
      turn = 1 - me;
      changed[1 - me].notify_one();
    }
  }
};

double ours_condition() {
  return ours_ns(kTrips, [] {
    Turns<mutirao::threads::mutex, mutirao::threads::condition_variable> turns;
    mutirao::threads::scope scope;
    scope.spawn("other", [&] { turns.play(1, kTrips); });
    turns.play(0, kTrips);
    static_cast<void>(scope.join());
  });
}

double fiber_condition() {
  return fibers_ns(kTrips, [] {
    Turns<boost::fibers::mutex, boost::fibers::condition_variable> turns;
    boost::fibers::fiber other{[&] { turns.play(1, kTrips); }};
    turns.play(0, kTrips);
    other.join();
  });
}

/// Both on one CPU: apart they would pay for an interrupt to the other CPU at each turn, which on a
/// virtual machine is ten times as dear.
double kernel_condition() {
  constexpr long kKernelTrips = 20'000;
  return ns_each(kKernelTrips, [] {
    Turns<std::mutex, std::condition_variable> turns;
    auto const play = [&](int me) {
      pin_to_cpu_0();
      turns.play(me, kKernelTrips);
    };
    std::thread one{play, 0};
    std::thread other{play, 1};
    one.join();
    other.join();
  });
}

Contribution const waking_rows{[] {
  return std::vector<Row>{
      {.name = "channel round trip",
       .peer = "Go",
       .unit = "ns",
       .ours = ours_channel,
       .theirs = [] { return ask_go(fmt::format("channel 1 {}", kTrips)); },
       .gate = 1.0,
       .aim = 0.6},
      {.name = "channel round trip",
       .peer = "Boost.Fiber",
       .unit = "ns",
       .ours = ours_channel,
       .theirs = fiber_channel,
       .judge = Judge::inform},
      {.name = "mutex and condition round trip",
       .peer = "Go",
       .unit = "ns",
       .ours = ours_condition,
       .theirs = [] { return ask_go(fmt::format("condition {}", kTrips)); },
       .gate = 1.0,
       .aim = 0.7},
      {.name = "mutex and condition round trip",
       .peer = "std::thread, one CPU",
       .unit = "ns",
       .ours = ours_condition,
       .theirs = kernel_condition,
       .gate = 0.1,
       .aim = 0.1},
      {.name = "mutex and condition round trip",
       .peer = "Boost.Fiber",
       .unit = "ns",
       .ours = ours_condition,
       .theirs = fiber_condition,
       .judge = Judge::inform},
  };
}};
}  // namespace

}  // namespace bench
