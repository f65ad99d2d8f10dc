#include "monitor.h"

#include <algorithm>
#include <cstdio>
#include <sys/prctl.h>
#include <system_error>
#include <utility>

#include "kernel_view.h"
#include "runtime_state.h"
#include "ticks.h"

namespace mutirao::threads {

namespace {
constexpr std::chrono::milliseconds kFast{1};
constexpr std::chrono::milliseconds kSlow{2};
constexpr std::chrono::milliseconds kStill{10};     // without a new thread: the processor is still
constexpr std::chrono::milliseconds kBehind{5};     // that a thread waits in a queue
constexpr std::chrono::milliseconds kQuiet{100};    // without activity: the monitor sleeps
constexpr std::chrono::milliseconds kBlocking{50};  // without a blocking section: it slows down
// Nothing was still for so long: what reliefs there are beyond the processors go.
constexpr std::chrono::milliseconds kRelieved{100};
}  // namespace

monitor::monitor(runtime::state& owner) noexcept : owner_{owner} {}
monitor::~monitor() = default;

void monitor::prepare() {
  shared_ = {};
  reliefs_.clear();
  watched_.clear();
  for (auto const& each : owner_.processors)
    watched_.push_back({.subject = each.get(), .since = kernel_now()});
}

void monitor::start() {
  prepare();
  last_active_ = last_blocked_ = kernel_now();
  stopping_ = false;
  pace_.store(pace::slow, std::memory_order_seq_cst);
  try {
    kernel_thread_ = std::thread{[this] {
      prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
      prctl(PR_SET_NAME, "lwp-monitor", 0, 0, 0);
      watch();
    }};
  } catch (std::system_error const& refused) {
    std::fprintf(stderr,
                 "mutirao: no monitor: %s; a blocking call may hold others up (raise the system's "
                 "limit of threads: ulimit -u, pids.max)\n",
                 refused.what());
  }
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
      last_active_ = kernel_now();
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
  looks_.fetch_add(1, std::memory_order_relaxed);
  auto const now = kernel_now();
  bool const fast = pace_.load(std::memory_order_relaxed) == pace::fast;
  for (auto& each : watched_) {
    if (look_at_blocked(each, now)) last_blocked_ = now;
  }
  if (now - last_thorough_ >= kSlow) {
    last_thorough_ = now;
    if (look_for_stalls(now)) last_active_ = now;
    owner_.stacks.trim();
    if (owner_.stacks.has_excess()) last_active_ = now;
  }
  if (fast && now - last_blocked_ < kBlocking) return pace::fast;
  return now - last_active_ >= kQuiet ? pace::asleep : pace::slow;
}

/// Whether the processor's LWP is in a blocking section; when it has been there since the last
/// look, and others need the processor, it goes to a spare LWP.
bool monitor::look_at_blocked(watched& each, TimePoint now) {
  auto& subject = *each.subject;
  auto hold = subject.hold.load(std::memory_order_seq_cst);
  bool const since_last_look = hold == std::exchange(each.hold, hold);
  if (hold % 2 == 0) return false;
  bool const needed = owner_.work_queued() || owner_.earliest_timer() <= now ||
                      owner_.idle.load(std::memory_order_seq_cst) == 0;
  if (!since_last_look || !needed) return true;
  if (owner_.idle.load(std::memory_order_seq_cst) > 0 && !owner_.options.migrate_always) {
    owner_.notify_idle();  // it steals what waits
  } else {
    owner_.lend(subject, hold);
  }
  return true;
}

/// Whether it has to look again soon: not when all that are going wait in the poller, since
/// whoever leaves it calls the monitor.
bool monitor::look_for_stalls(TimePoint now) {
  auto const [going, still, queued] = count(now);
  bool const behind = is_behind(now);
  auto const idle = owner_.idle.load(std::memory_order_seq_cst);
  if (still > 0) last_still_ = now;
  if (still == 0 && !behind) {
    surge_ = 1;
    if (going > owner_.processors.size() && now - last_still_ > kRelieved) dismiss_one();
    return idle < going;
  }
  if (still > 0 && idle == 0) owner_.mind_poller();
  auto const earliest = owner_.earliest_timer();
  if (!owner_.work_queued() && earliest > now)
    return going == 0 || idle < going || earliest != TimePoint::max();
  if (idle > 0) {
    owner_.notify_idle();
  } else if ((behind ? serving(now) : going) >= owner_.processors.size()) {
    surge_ = 1;
  } else {
    surge_ = std::min(surge_, std::max<std::size_t>(queued, 1));
    send_relief(surge_);
    surge_ *= 2;
  }
  return true;
}

/// Whether a thread has waited in a queue for longer than it should.
bool monitor::is_behind(TimePoint now) {
  auto since = shared_.waiting_since(owner_.shared.taken(), owner_.shared.size(), now);
  for (auto& each : watched_) {
    auto const& queue = each.subject->queue;
    since = std::min(since, each.queued.waiting_since(queue.taken(), queue.size(), now));
  }
  return now - since >= kBehind;
}

/// How many LWPs will soon take a thread: not the still ones, nor those that the kernel has put to
/// sleep. No more than are needed are looked at.
unsigned monitor::serving(TimePoint now) const {
  unsigned result = 0;
  for (auto const& each : watched_) {
    if (result >= owner_.processors.size()) break;
    auto const& subject = *each.subject;
    if (!subject.in_use.load(std::memory_order_acquire) || now - each.since >= kStill) continue;
    bool const on_its_way = subject.waiting.load(std::memory_order_relaxed);
    bool const seen_to = each.hold % 2 != 0;  // by look_at_blocked()
    if (on_its_way || seen_to || !sleeps_in_kernel(subject.holder.load(std::memory_order_relaxed)))
      ++result;
  }
  return result;
}

monitor::tally monitor::count(TimePoint now) {
  tally result{.queued = owner_.shared.size()};
  for (auto& each : watched_) {
    auto const& subject = *each.subject;
    result.queued += subject.queue.size();
    if (!subject.in_use.load(std::memory_order_acquire)) continue;
    auto const picks = subject.picks.load(std::memory_order_relaxed);
    bool const picked = picks != std::exchange(each.picks, picks);
    // One in a blocking section is seen to by look_at_blocked().
    if (picked || subject.waiting.load(std::memory_order_relaxed) || each.hold % 2 != 0)
      each.since = now;
    ++(now - each.since >= kStill ? result.still : result.going);
  }
  return result;
}

void monitor::send_relief(std::size_t wanted) {
  for (std::size_t sent = 0; sent < wanted; ++sent) {
    if (!send_one_relief()) return;
  }
}

bool monitor::send_one_relief() {
  auto free = std::ranges::find_if(reliefs_, [](auto const& each) { return !each->in_use.load(); });
  if (free == reliefs_.end()) {
    reliefs_.push_back(std::make_unique<processor>());
    free = std::prev(reliefs_.end());
    (*free)->relief = true;
    watched_.push_back({.subject = free->get(), .since = kernel_now()});
  }
  processor& relief = **free;
  relief.in_use.store(true, std::memory_order_relaxed);
  relief.dismissed.store(false, std::memory_order_relaxed);
  // On a busy machine it may be long in coming; that is no reason to send another.
  relief.waiting.store(true, std::memory_order_relaxed);
  if (!owner_.lwps.lend(relief, [] { return true; })) {
    relief.in_use.store(false, std::memory_order_relaxed);
    return false;
  }
  stalls_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void monitor::dismiss_one() {
  for (auto const& each : reliefs_) {
    if (!each->in_use.load(std::memory_order_acquire) || each->dismissed.exchange(true)) continue;
    return;
  }
}

}  // namespace mutirao::threads
