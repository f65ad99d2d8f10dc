#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/runtime.h"

#include "backlog.h"

namespace mutirao::threads {

struct processor;

/// The LWP that sees to it that a blocking call does not stop the others.
///
/// Announced: entering a blocking section only marks the processor. A processor that the monitor
/// finds marked twice, while threads wait or nobody minds the poller, goes to a spare LWP.
///
/// Unannounced (a system call that the runtime knows nothing of, a page fault, a long computation):
/// a processor that has not taken a thread for 10 ms is *still*. It is left to its LWP. When too
/// few others are going for the threads that wait, the monitor sends a spare LWP as *relief*, which
/// takes over what is queued and minds the poller. Where hundreds of threads block in turns, each
/// LWP takes one now and then and none is still for long, but the queue is *behind*: a thread has
/// waited in it for 5 ms. Then only those LWPs count as going that the kernel has not put to sleep,
/// and twice as many are sent each time (bench/threads --only heartbeat). While one is still and
/// none idle, the monitor itself looks into the poller.
///
/// It looks often while something blocks, rarely while threads run, and sleeps when nothing runs,
/// so that an idle process costs nothing.
class monitor {
 public:
  explicit monitor(runtime::state& owner) noexcept;
  ~monitor();

  void start();
  void stop();

  /// A processor left idleness.
  void note_activity() noexcept {
    if (pace_.load(std::memory_order_seq_cst) == pace::asleep) quicken(pace::slow);
  }
  /// A processor entered a blocking section.
  void note_blocking() noexcept {
    if (pace_.load(std::memory_order_seq_cst) != pace::fast) quicken(pace::fast);
  }

  [[nodiscard]] std::uint64_t stalls() const noexcept {
    return stalls_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t looks() const noexcept {
    return looks_.load(std::memory_order_relaxed);
  }

 private:
  friend struct monitor_access;
  enum class pace : std::uint8_t { asleep, slow, fast };
  struct watched {
    processor* subject;
    std::uint64_t hold = 0;
    std::uint64_t picks = 0;
    TimePoint since;  ///< of the last pick that was seen
    backlog queued = {};
  };
  struct tally {
    unsigned going = 0;  ///< processors that take threads, or would if there were any
    unsigned still = 0;
    std::size_t queued = 0;
  };

  void prepare();
  void quicken(pace wanted) noexcept;
  void watch();
  pace look();
  bool look_at_blocked(watched& each, TimePoint now);
  bool look_for_stalls(TimePoint now);
  tally count(TimePoint now);
  bool is_behind(TimePoint now);
  [[nodiscard]] unsigned serving(TimePoint now) const;
  void send_relief(std::size_t wanted);
  bool send_one_relief();
  void dismiss_one();

  runtime::state& owner_;
  std::mutex mutex_;
  std::condition_variable called_;
  std::atomic<pace> pace_{pace::asleep};
  bool stopping_ = false;
  std::vector<watched> watched_;  // the processors, then the reliefs
  std::vector<std::unique_ptr<processor>> reliefs_;
  backlog shared_;
  std::size_t surge_ = 1;  // how many reliefs are sent at once
  TimePoint last_still_{};
  TimePoint last_active_{};
  TimePoint last_blocked_{};
  TimePoint last_thorough_{};
  std::atomic<std::uint64_t> stalls_{0};
  std::atomic<std::uint64_t> looks_{0};
  std::thread kernel_thread_;
};

/// For the model checker: one look of the monitor, without its clock.
struct monitor_access {
  static bool look_at_blocked(monitor& watch, std::size_t index) {
    return watch.look_at_blocked(watch.watched_[index], TimePoint{});
  }
  static void prepare(monitor& watch) { watch.prepare(); }
};

}  // namespace mutirao::threads
