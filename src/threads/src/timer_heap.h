#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"

#include "spinlock.h"

namespace mutirao::threads {

class timer_heap;

/// The deadline of one parked thread; lies on its stack while it is parked.
struct timer {
  TimePoint when;
  park_token* token = nullptr;
  std::size_t index = kAbsent;
  timer_heap* heap = nullptr;
  timer* next_fired = nullptr;
  static constexpr std::size_t kAbsent = std::numeric_limits<std::size_t>::max();
};

/// Deadlines of parked threads, earliest first. Any LWP may add, remove and fire.
class timer_heap {
 public:
  void add(timer& entry);
  /// After it nobody touches the timer any more, whether it fired or not.
  void remove(timer& entry) noexcept;
  /// Ends the waits whose time has come; the threads that can go on, linked by `next_fired`.
  [[nodiscard]] timer* take_due(TimePoint now) noexcept;

  /// TimePoint::max() when there is none. Without a lock: a hint that is right soon.
  [[nodiscard]] TimePoint earliest() const noexcept {
    return TimePoint{Duration{earliest_.load(std::memory_order_relaxed)}};
  }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

 private:
  /// The key beside the pointer: timers lie on the cold stacks of parked threads, and comparing
  /// must not touch them.
  struct node {
    TimePoint when;
    std::uint64_t order;  ///< among equal times: first come, first served
    timer* owner;
  };
  static bool before(node const& a, node const& b) noexcept {
    return a.when != b.when ? a.when < b.when : a.order < b.order;
  }
  void place(std::size_t index, node const& entry) noexcept;
  void sift_up(std::size_t index) noexcept;
  void sift_down(std::size_t index) noexcept;
  void take_out(timer& entry) noexcept;
  void publish_earliest() noexcept;

  spin_word lock_{0};
  std::vector<node> heap_;
  std::uint64_t next_order_ = 0;
  std::atomic<Duration::rep> earliest_{TimePoint::max().time_since_epoch().count()};
};

}  // namespace mutirao::threads
