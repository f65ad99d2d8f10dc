#pragma once

#include <cstdint>
#include <vector>

#include "mutirao/base/time.h"

#include "timer_heap.h"

namespace mutirao::threads {

struct thread_control;

/// The schedule of a simulated runtime: which ready thread runs next, and what time it is, as a
/// pure function of the seed.
///
/// Drawing the order instead of taking it in turn shows races that a fair queue hides. Time stands
/// still while a thread is ready and jumps to the next timer when none is. One LWP only.
class simulation {
 public:
  explicit simulation(std::uint64_t seed) noexcept : random_{seed} {}

  void add(thread_control& ready) {
    // By the time that it is drawn it has come from memory.
    __builtin_prefetch(&ready, 1);
    __builtin_prefetch(reinterpret_cast<char const*>(&ready) + 64, 1);
    ready_.push_back(&ready);
  }
  /// nullptr when no thread is ready.
  [[nodiscard]] thread_control* draw() noexcept;
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept;
  [[nodiscard]] bool one_in(std::uint64_t chances) noexcept { return below(chances) == 0; }

  [[nodiscard]] TimePoint now() const noexcept { return now_; }
  /// Time jumps there; never back.
  void advance_to(TimePoint when) noexcept {
    if (when > now_) now_ = when;
  }

  timer_heap timers;

 private:
  std::uint64_t random_;
  // Far from zero, so that a moment before the start can be named.
  TimePoint now_{std::chrono::hours{1000}};
  std::vector<thread_control*> ready_;
};

}  // namespace mutirao::threads
