#include "monitor.h"

#include <sys/prctl.h>
#include <utility>

#include "runtime_state.h"
#include "ticks.h"

namespace mutirao::threads {

namespace {
constexpr std::chrono::microseconds kFast{500};
constexpr std::chrono::milliseconds kSlow{10};
constexpr unsigned kQuietLooks = 10;  // slow looks without activity before it sleeps
constexpr unsigned kFastLooksPerSlow = 100;
constexpr unsigned kUnblockedLooks = 100;  // fast looks without a blocking section before it slows
}  // namespace

void monitor::start() {
  seen_.assign(owner_.processors.size(), {});
  stopping_ = false;
  pace_.store(pace::slow, std::memory_order_seq_cst);
  kernel_thread_ = std::thread{[this] {
    prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
    prctl(PR_SET_NAME, "lwp-monitor", 0, 0, 0);
    watch();
  }};
}

void monitor::stop() {
  {
    std::lock_guard const lock{mutex_};
    stopping_ = true;
  }
  called_.notify_one();
  if (kernel_thread_.joinable()) kernel_thread_.join();
}

void monitor::quicken(pace wanted) noexcept {
  {
    std::lock_guard const lock{mutex_};
    if (pace_.load(std::memory_order_relaxed) >= wanted) return;
    pace_.store(wanted, std::memory_order_seq_cst);
  }
  called_.notify_one();
}

void monitor::watch() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    auto const current = pace_.load(std::memory_order_relaxed);
    auto const changed = [&] {
      return stopping_ || pace_.load(std::memory_order_relaxed) != current;
    };
    if (current == pace::asleep) {
      called_.wait(lock, changed);
      quiet_looks_ = 0;
    } else if (current == pace::slow) {
      called_.wait_for(lock, kSlow, changed);
    } else {
      called_.wait_for(lock, kFast);
    }
    if (stopping_) return;
    lock.unlock();
    pace const next = look();
    // All has been quiet for a while.
    if (next == pace::asleep) owner_.look_for_deadlock();
    lock.lock();
    // What was asked for while it looked counts from now on.
    if (pace_.load(std::memory_order_relaxed) == current)
      pace_.store(next, std::memory_order_seq_cst);
  }
}

monitor::pace monitor::look() {
  bool const fast = pace_.load(std::memory_order_relaxed) == pace::fast;
  bool const thorough = !fast || ++looks_ % kFastLooksPerSlow == 0;
  bool blocked = false;
  bool active = owner_.idle.load(std::memory_order_seq_cst) < seen_.size();
  for (std::size_t i = 0; i < seen_.size(); ++i) {
    blocked = look_at_blocked(i) || blocked;
    if (thorough) active = look_at_progress(i) || active;
  }
  unblocked_looks_ = blocked ? 0 : unblocked_looks_ + 1;
  if (thorough) quiet_looks_ = active ? 0 : quiet_looks_ + 1;
  if (fast && unblocked_looks_ < kUnblockedLooks) return pace::fast;
  if (blocked) return pace::fast;
  return quiet_looks_ >= kQuietLooks ? pace::asleep : pace::slow;
}

/// Whether the processor's LWP is in a blocking section; when it has been there since the last
/// look, and others need the processor, it goes to a spare LWP.
bool monitor::look_at_blocked(std::size_t index) {
  processor& each = *owner_.processors[index];
  auto hold = each.hold.load(std::memory_order_seq_cst);
  bool const since_last_look = hold == seen_[index].hold;
  seen_[index].hold = hold;
  if (hold % 2 == 0) return false;
  bool const needed = owner_.work_queued() || owner_.idle.load(std::memory_order_seq_cst) == 0;
  if (!since_last_look || !needed) return true;
  if (owner_.idle.load(std::memory_order_seq_cst) > 0 && !owner_.options.migrate_always) {
    owner_.notify_idle();  // it steals what waits
    return true;
  }
  owner_.lwps.lend(each, [&] {
    bool const taken = each.hold.compare_exchange_strong(hold, hold + 1, std::memory_order_seq_cst);
    if (taken) owner_.lent.fetch_add(1, std::memory_order_relaxed);
    return taken;
  });
  return true;
}

/// Whether the processor has switched threads since the last look. One that runs the same thread
/// all the time may keep others waiting that an idle LWP can take.
bool monitor::look_at_progress(std::size_t index) {
  processor const& each = *owner_.processors[index];
  auto const picks = each.picks.load(std::memory_order_relaxed);
  bool const progress = picks != std::exchange(seen_[index].picks, picks);
  if (!progress && (!each.queue.empty() || each.timers.earliest() <= kernel_now()))
    owner_.notify_idle();
  return progress;
}

}  // namespace mutirao::threads
