// Switching, waking and starting threads, beside Boost.Fiber and std::thread.
#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <thread>

#include <boost/fiber/all.hpp>

#include "mutirao/threads/channel.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "measure.h"

namespace bench {

namespace {
namespace ours = mutirao::threads;
namespace fibers = boost::fibers;

/// On one processor, like one LWP of the others.
double ours_ns(long count, std::function<void()> const& work) {
  double result = 0;
  ours::runtime runtime{{.processors = 1}};
  runtime.run([&] { result = ns_each(count, work); });
  return result;
}

/// A fresh LWP, so that each measurement has a scheduler of its own.
double fibers_ns(long count, std::function<void()> const& work) {
  double result = 0;
  std::thread{[&] { result = ns_each(count, work); }}.join();
  return result;
}

double ours_yield(int threads, long rounds) {
  return ours_ns(threads * rounds, [&] {
    ours::scope scope;
    for (int i = 0; i < threads; ++i) {
      scope.spawn("yielder",
                  [&] {
                    for (long k = 0; k < rounds; ++k) ours::yield();
                  },
                  {.stack = ours::stack_size::small});
    }
    static_cast<void>(scope.join());
  });
}

double fiber_yield(int threads, long rounds) {
  return fibers_ns(threads * rounds, [&] {
    std::vector<fibers::fiber> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back(std::allocator_arg, boost::fibers::fixedsize_stack{16384}, [&] {
        for (long k = 0; k < rounds; ++k) boost::this_fiber::yield();
      });
    }
    for (auto& each : all) each.join();
  });
}

constexpr long kTrips = 200'000;

double ours_channel() {
  return ours_ns(kTrips, [] {
    ours::channel<int> there{1};
    ours::channel<int> back{1};
    ours::scope scope;
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
    fibers::buffered_channel<int> there{2};
    fibers::buffered_channel<int> back{2};
    fibers::fiber echo{[&] {
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
    Turns<ours::mutex, ours::condition_variable> turns;
    ours::scope scope;
    scope.spawn("other", [&] { turns.play(1, kTrips); });
    turns.play(0, kTrips);
    static_cast<void>(scope.join());
  });
}

double fiber_condition() {
  return fibers_ns(kTrips, [] {
    Turns<fibers::mutex, fibers::condition_variable> turns;
    fibers::fiber other{[&] { turns.play(1, kTrips); }};
    turns.play(0, kTrips);
    other.join();
  });
}

void pin_to_cpu_0(std::thread& thread) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  pthread_setaffinity_np(thread.native_handle(), sizeof set, &set);
}

double kernel_condition() {
  constexpr long kKernelTrips = 20'000;
  return ns_each(kKernelTrips, [] {
    Turns<std::mutex, std::condition_variable> turns;
    std::thread one{[&] { turns.play(0, kKernelTrips); }};
    std::thread other{[&] { turns.play(1, kKernelTrips); }};
    pin_to_cpu_0(one);
    pin_to_cpu_0(other);
    one.join();
    other.join();
  });
}

constexpr long kSpawns = 100'000;

double ours_spawn_join() {
  return ours_ns(kSpawns, [] {
    ours::scope scope;
    for (long i = 0; i < kSpawns; ++i) {
      scope.spawn("child", [] {});
      static_cast<void>(scope.join());
    }
  });
}

double fiber_spawn_join() {
  return fibers_ns(kSpawns, [] {
    boost::fibers::pooled_fixedsize_stack stacks{65536};
    for (long i = 0; i < kSpawns; ++i) fibers::fiber{std::allocator_arg, stacks, [] {}}.join();
  });
}

constexpr int kSleepers = 10'000;
constexpr int kSleeps = 200;

double simulated_event_ns() {
  double ns = 0;
  ours::runtime runtime{{.simulated = ours::simulated_schedule{1}}};
  runtime.run([&] {
    ns = ns_each(kSleepers * kSleeps, [] {
      ours::scope scope;
      for (int i = 0; i < kSleepers; ++i) {
        scope.spawn("sleeper",
                    [i] {
                      for (int k = 0; k < kSleeps; ++k)
                        static_cast<void>(ours::sleep_for(
                            std::chrono::microseconds{1 + (i * 7 + k * 13) % 1000}));
                    },
                    {.stack = ours::stack_size::small});
      }
      static_cast<void>(scope.join());
    });
  });
  return ns;
}
}  // namespace

std::vector<Row> cpu_rows() {
  return {
      {"yield, 2 threads", "Boost.Fiber", "ns", 1.0, 0.7, [] { return ours_yield(2, 500'000); },
       [] { return fiber_yield(2, 500'000); }},
      {"yield, 10,000 threads", "Boost.Fiber", "ns", 1.2, 0.7,
       [] { return ours_yield(10'000, 100); }, [] { return fiber_yield(10'000, 100); }},
      {"channel round trip", "Boost.Fiber", "ns", 1.2, 0.7, ours_channel, fiber_channel},
      {"mutex and condition round trip", "Boost.Fiber", "ns", 1.0, 0.7, ours_condition,
       fiber_condition},
      {"mutex and condition round trip, kernel", "std::thread", "ns", 0.25, 0.1, ours_condition,
       kernel_condition},
      {"spawn and join", "Boost.Fiber, pooled", "ns", 1.5, 0.8, ours_spawn_join, fiber_spawn_join},
      // Against a fixed figure: one event in 500 ns is two million a second.
      {"simulated timer event, 10,000 threads", "500 ns", "ns", 1.0, 0.4, simulated_event_ns,
       [] { return 500.0; }},
  };
}

}  // namespace bench
