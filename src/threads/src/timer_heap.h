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
  timer_heap* heap = nullptr;
  timer* next_fired = nullptr;
  std::uint32_t place = kAbsent;
  static constexpr std::uint32_t kAbsent = std::numeric_limits<std::uint32_t>::max();
};

/// Deadlines of parked threads, earliest first. Any LWP may add, remove and fire.
///
/// Timers lie on the stacks of threads that wait, and those are cold: each touch of one may be a
/// miss of the caches and of the page tables. So the heap holds all that it needs to keep its
/// order, and the timers that are due are fetched several at a time.
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
  struct node {
    TimePoint when;
    std::uint32_t order;  ///< among equal times: first come, first served
    std::uint32_t place;
  };
  /// What a timer knows itself by: where in the heap it is now. Or the next free place.
  struct place {
    timer* owner;
    std::uint32_t index;
  };
  static bool before(node const& a, node const& b) noexcept {
    // The order counts on from 2^32 - 1 to 0; never so many wait at once that it would matter.
    return a.when != b.when ? a.when < b.when : static_cast<std::int32_t>(a.order - b.order) < 0;
  }
  [[nodiscard]] std::uint32_t new_place(timer& owner);
  [[nodiscard]] timer& take_out(std::uint32_t index) noexcept;
  void put(std::uint32_t index, node const& entry) noexcept;
  void sift_up(std::uint32_t index, node const& entry) noexcept;
  void sift_down(std::uint32_t index, node const& entry) noexcept;
  void publish_earliest() noexcept;

  spin_word lock_{0};
  std::vector<node> heap_;
  std::vector<place> places_;
  std::uint32_t free_place_ = timer::kAbsent;
  std::uint32_t next_order_ = 0;
  std::atomic<Duration::rep> earliest_{TimePoint::max().time_since_epoch().count()};
};

}  // namespace mutirao::threads
