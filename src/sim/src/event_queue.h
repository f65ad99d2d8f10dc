#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"

namespace mutirao::sim {

/// What the network will do, in order of virtual time; events of the same moment in the order in
/// which they were scheduled.
///
/// One user thread pumps: it parks until the earliest event, so the runtime's own virtual clock
/// carries it there, and a run in which nothing can happen any more is still seen as a deadlock.
/// Outside of the runtime's life nothing happens: events are dropped, and time stands still.
class EventQueue {
 public:
  using Action = std::move_only_function<void()>;

  /// Runs events until the calling thread is asked to stop. Actions don't park.
  void pump();
  void at(TimePoint when, Action action);
  /// In the runtime's life; outside of it the moment at which it ended.
  [[nodiscard]] TimePoint now() const noexcept;

  /// On a user thread, when the runtime has started and before it ends: in between, things happen.
  void start() noexcept;
  void stop() noexcept;

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t sequence;
    std::uint32_t slot;  ///< in actions_: the heap moves small entries only
  };
  static bool later(Entry const& a, Entry const& b) noexcept {
    return a.when != b.when ? a.when > b.when : a.sequence > b.sequence;
  }
  void run_due();

  std::vector<Entry> heap_;
  std::vector<Action> actions_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t sequence_ = 0;
  threads::park_token* parked_ = nullptr;
  Deadline parked_until_ = Deadline::never();
  bool running_ = false;
  TimePoint stopped_at_{std::chrono::hours{1000}};  // where a simulated runtime starts
};

}  // namespace mutirao::sim
