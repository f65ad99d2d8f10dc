#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "mutirao/threads/runtime.h"

namespace mutirao::threads {

/// The LWP that sees to it that a blocking call does not stop the others.
///
/// Entering a blocking section only marks the processor. The monitor looks every now and then; a
/// processor that it finds marked twice, while threads wait or nobody minds the poller, goes to a
/// spare LWP. It looks often while something blocks, rarely while threads run, and sleeps when
/// nothing runs, so that an idle process costs nothing.
class monitor {
 public:
  explicit monitor(runtime::state& owner) noexcept : owner_{owner} {}

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

 private:
  friend struct monitor_access;
  enum class pace : std::uint8_t { asleep, slow, fast };
  struct seen {
    std::uint64_t hold = 0;
    std::uint64_t picks = 0;
  };

  void quicken(pace wanted) noexcept;
  void watch();
  pace look();
  bool look_at_blocked(std::size_t index);
  bool look_at_progress(std::size_t index);

  runtime::state& owner_;
  std::mutex mutex_;
  std::condition_variable called_;
  std::atomic<pace> pace_{pace::asleep};
  bool stopping_ = false;
  std::vector<seen> seen_;
  unsigned looks_ = 0;
  unsigned quiet_looks_ = 0;
  unsigned unblocked_looks_ = 0;
  std::thread kernel_thread_;
};

/// For the model checker: one look of the monitor, without its clock.
struct monitor_access {
  static bool look_at_blocked(monitor& watch, std::size_t index) {
    return watch.look_at_blocked(index);
  }
  static void prepare(monitor& watch, std::size_t processors) {
    watch.seen_.assign(processors, {});
  }
};

}  // namespace mutirao::threads
