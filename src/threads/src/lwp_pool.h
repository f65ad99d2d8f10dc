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

  /// The LWP of a processor, when the runtime starts; false when the system refuses a new thread.
  [[nodiscard]] bool start(processor& first);

  /// Gives `taken` to a spare LWP if one rests and `claim()` says that it is free to take. With
  /// none at rest a new one is started, to be there at the next try; at the limit, or when the
  /// system refuses, that is told once on standard error.
  template <class Claim>
  void lend(processor& taken, Claim&& claim) {
    std::lock_guard const lock{mutex_};
    if (resting_.empty()) {
      start_spare();
    } else if (claim()) {
      call(taken);
    }
  }

  /// On a spare LWP: rests until it is given a processor; nullptr when it shall end.
  [[nodiscard]] processor* rest(lwp& self);

  /// Sends those at rest home, and waits until every LWP has ended.
  void close();

  [[nodiscard]] unsigned alive() const noexcept { return alive_.load(std::memory_order_relaxed); }

 private:
  bool start_lwp(processor* first);
  void start_spare();
  void call(processor& taken);
  void bury_retired();

  runtime::state& owner_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<lwp>> all_;
  std::vector<lwp*> resting_;  // the last to come is the first to go: its caches are warm
  std::atomic<unsigned> alive_{0};
  bool spare_coming_ = false;
  bool closing_ = false;
  bool limit_told_ = false;
};

}  // namespace mutirao::threads
