#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/io.h"
#include "mutirao/threads/park.h"

#include "file_ring.h"
#include "spinlock.h"

namespace mutirao::threads {

/// A side of a pollable that is ready with nobody waiting; else 0 or the address of who waits.
inline constexpr std::uintptr_t kReady = 1;

/// What the poller knows of one descriptor. Pooled and never freed before the runtime ends: an LWP
/// may still hold an event of a descriptor that another is closing. The worst that such an event
/// can do to the next user of the entry is a needless look at the socket.
struct pollable::state {
  int descriptor = -1;
  class poller* home = nullptr;
  /// For each direction: nobody, "ready", or the token of the thread that waits.
  std::atomic<std::uintptr_t> reader{0};
  std::atomic<std::uintptr_t> writer{0};
  std::atomic<bool> interrupted{false};
  /// Edges that met nobody who waits, less those that did. A thread that streams in bulk is hardly
  /// ever parked; the edges of its socket would only call idle LWPs for nothing. So such a socket
  /// is watched on demand: armed by each wait, for one event.
  std::atomic<int> needless{0};
  std::atomic<bool> on_demand{false};
  spin_word arm_lock{
      0};  ///< guards the registration: descriptor, on_demand, and what epoll is told
  state* next_free = nullptr;
};

/// The one place where LWPs wait for the kernel: an epoll set with all sockets, the completions of
/// the file ring, and an eventfd to call a waiting LWP. Sockets are edge-triggered and any LWP may
/// harvest, so that a thread which blocks its LWP never holds up the events of others.
class poller {
 public:
  explicit poller(bool use_io_uring);
  ~poller();
  poller(poller const&) = delete;
  poller& operator=(poller const&) = delete;

  /// Waits until `until` at most (not at all when that has passed; for ever with max()) and makes
  /// ready whoever has an event. True when a wake() was among them.
  bool wait(TimePoint until);
  bool harvest();  ///< without waiting

  /// Makes one LWP that waits, or the next to do so, return. Async-signal-safe.
  void wake() noexcept;

  [[nodiscard]] pollable::state& add(int descriptor);
  void remove(pollable::state& entry) noexcept;

  [[nodiscard]] file_ring* files() noexcept { return files_ ? &*files_ : nullptr; }
  /// Why there is no ring.
  [[nodiscard]] std::string const& files_refused() const noexcept { return files_refused_; }

  /// For a thread that has just left its token in an entry that is watched on demand.
  void arm(pollable::state& entry) noexcept;

  /// Wakes both directions.
  static void set_ready(pollable::state& entry) noexcept;

 private:
  bool harvest(int timeout_ms, TimePoint until);
  void take_event(pollable::state& entry, std::uint32_t events) noexcept;

  int epoll_ = -1;
  int call_ = -1;
  std::optional<file_ring> files_;
  std::string files_refused_;

  spin_word pool_lock_{0};
  pollable::state* free_ = nullptr;
  std::vector<std::unique_ptr<pollable::state[]>> chunks_;
};

}  // namespace mutirao::threads
