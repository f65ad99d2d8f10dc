// Included before every source of the model: what `threads` calls std::atomic is the explorer's.
//
// Qualified names look into a namespace itself before those that it uses; so inside of
// mutirao::threads, std::atomic is found here, and all else of std where it always is. The
// sources stay as they are.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "mutirao/base/check.h"

#include "atomic.h"

#undef MUT_ASSERT
#define MUT_ASSERT(expression) MODEL_REQUIRE(expression)

namespace mutirao::threads::std {
using namespace ::std;
using model::atomic;

class mutex {
 public:
  void lock() { word_.acquire(); }
  void unlock() { word_.store(0, memory_order_release); }

 private:
  atomic<unsigned> word_{0};
};

/// Time does not pass here: a wait with a limit is one without.
class condition_variable {
 public:
  void wait(unique_lock<mutex>& lock) {
    auto const seen = calls_.load();
    lock.unlock();
    calls_.wait(seen);
    lock.lock();
  }
  template <class Predicate>
  void wait(unique_lock<mutex>& lock, Predicate done) {
    while (!done()) wait(lock);
  }
  template <class Limit>
  void wait_for(unique_lock<mutex>& lock, Limit) {
    wait(lock);
  }
  template <class Limit, class Predicate>
  bool wait_for(unique_lock<mutex>& lock, Limit, Predicate done) {
    wait(lock, done);
    return true;
  }
  void notify_one() { calls_.fetch_add(1); }
  void notify_all() { calls_.fetch_add(1); }

 private:
  atomic<unsigned> calls_{0};
};

/// One that the system has not got round to starting.
class thread {
 public:
  thread() = default;
  template <class Body, class... Arguments>
  explicit thread(Body&&, Arguments&&...) {}
  [[nodiscard]] static unsigned hardware_concurrency() noexcept { return 2; }
  [[nodiscard]] bool joinable() const noexcept { return false; }
  void join() noexcept {}
};
}  // namespace mutirao::threads::std
