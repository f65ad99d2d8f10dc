#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "lwp.h"

namespace mutirao::threads {

/// The kernel threads of a runtime: one for each processor, and spare ones that come when a
/// blocking call holds an LWP, rest when they have no processor, and die when they have rested for
/// long.
class lwp_pool {
 public:
  explicit lwp_pool(runtime::state& owner) noexcept : owner_{owner} {}

  /// The C library gives each kernel thread a heap of its own, up to eight a core. User threads
  /// carry blocks from one LWP to another, so that each of those heaps would keep what it once
  /// needed: a download held twice the memory. As many heaps as allocate at the same time are
  /// enough.
  void limit_heaps() const noexcept;

  /// The LWP of a processor, when the runtime starts; false when the system refuses a new thread.
  bool start(processor& first);
  /// Makes the calling kernel thread the LWP of a processor, until the runtime ends or a blocking
  /// call has lost it the processor.
  void serve_on_caller(processor& first);

  /// Gives `taken` to a spare LWP, an old or a new one, if `claim()` says that it is free to take.
  /// False when it is not, or when there can be no more LWPs.
  template <class Claim>
  bool lend(processor& taken, Claim&& claim) {
    std::lock_guard const lock{mutex_};
    if (!have_resting() || !claim()) return false;
    call(taken);
    return true;
  }

  /// On a spare LWP: rests until it is given a processor; nullptr when it shall end.
  [[nodiscard]] processor* rest(lwp& self);

  /// Sends those at rest home, and waits until every LWP has ended.
  void close();

  [[nodiscard]] unsigned alive() const noexcept { return alive_.load(std::memory_order_relaxed); }
  /// 1 when the caller of run() is none of these LWPs, because it waits for the end.
  [[nodiscard]] unsigned callers_waiting() const noexcept {
    return caller_serves_.load(std::memory_order_relaxed) ? 0 : 1;
  }
  [[nodiscard]] unsigned resting() const noexcept {
    return resting_count_.load(std::memory_order_relaxed);
  }
  /// How often an LWP was wanted and could not be had.
  [[nodiscard]] std::uint64_t refused() const noexcept {
    return refused_.load(std::memory_order_relaxed);
  }

 private:
  lwp* start_lwp(processor* first);
  bool have_resting();
  void refuse(char const* why, char const* mend);
  void call(processor& taken);
  void bury_retired();

  runtime::state& owner_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<lwp>> all_;
  std::vector<lwp*> resting_;  // the last to come is the first to go: its caches are warm
  std::atomic<unsigned> alive_{0};
  std::atomic<unsigned> resting_count_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<bool> caller_serves_{false};
  bool closing_ = false;
};

}  // namespace mutirao::threads
