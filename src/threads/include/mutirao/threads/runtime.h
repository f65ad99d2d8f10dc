#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

namespace mutirao::threads {

/// How time passes and in which order ready threads run.
struct simulated_schedule {
  std::uint64_t seed;  ///< draws the order in which ready threads run
};

struct runtime_options {
  /// Run queues, and LWPs that execute user threads at the same time; 0 = one for each core.
  unsigned processors = 0;
  /// Most LWPs that may be lent to blocking calls. Beyond it a processor waits for the call of its
  /// own LWP to end, and standard error says so once.
  unsigned spare_lwps_max = 512;
  /// A spare LWP that nobody has needed for so long ends.
  std::chrono::milliseconds spare_lwp_rest_max = std::chrono::seconds{10};
  /// Probe the kernel for io_uring; without it file calls are lent to spare LWPs.
  bool use_io_uring = true;
  /// For tests: a thread that goes on after a wait, a yield or a checkpoint does so on another
  /// processor than before, so that whatever is wrongly kept from the old LWP shows. Needs at least
  /// two processors; costs speed.
  bool migrate_always = false;
  /// When every thread waits for another and nothing from outside can wake one, standard error
  /// tells who waits for what, and the program exits with 2. Not while the program has kernel
  /// threads besides those of the runtime: one of them might wake somebody. Off is for a program
  /// whose threads wait for nothing but request_stop() by a signal handler.
  bool report_deadlock = true;
  /// Present: one LWP, virtual time that jumps to the next timer when nothing is ready, and an
  /// order of execution that is a pure function of the seed.
  std::optional<simulated_schedule> simulated = std::nullopt;
};

/// What is in force, for `doctor`: nothing degrades silently.
struct runtime_info {
  unsigned processors = 0;
  unsigned lwps = 0;
  unsigned lwps_blocked = 0;        ///< in a call that was announced
  unsigned lwps_resting = 0;        ///< spare ones that wait to be needed
  std::uint64_t lwps_refused = 0;   ///< times that one was wanted and could not be had
  std::uint64_t stalls = 0;         ///< times that a processor made no progress, and got relief
  std::uint64_t monitor_looks = 0;  ///< stands still while nothing is at risk
  std::uint64_t threads_alive = 0;
  std::uint64_t switches = 0;
  std::uint64_t steals = 0;
  std::string guard;  ///< "madvise", "mprotect" or "canary"
  std::string files;  ///< "io_uring" or "spare LWPs", with the reason of the latter
};

struct runtime_report;

/// User threads over kernel LWPs: the two-level model of Solaris.
///
/// A kernel thread for each of ten thousand connections is too dear, and one event loop for all of
/// them turns code inside out. Here a *user thread* is a stack and a few registers; it runs on an
/// *LWP* (a kernel thread) while that LWP holds a *processor* (a run queue). A user thread that has
/// to wait parks, and its LWP runs another; one that enters a blocking system call keeps its LWP,
/// and a spare LWP takes the processor over. So blocking code reads straight down and never blocks
/// the process.
///
/// Several runtimes may live in one process, one after another or at once. Not copyable, not
/// movable.
class runtime {
 public:
  explicit runtime(runtime_options options = {});
  ~runtime();
  runtime(runtime const&) = delete;
  runtime& operator=(runtime const&) = delete;

  /// Runs `main` as the first user thread and returns when it has returned and every thread that it
  /// started has ended. An exception that escapes `main` is thrown on to the caller. Called from a
  /// plain LWP, never from a user thread. With a simulated schedule
  /// a deadlock (nothing ready, no timer) ends the program with a list of the parked threads.
  void run(std::move_only_function<void()> main);

  /// Asks every thread to stop: their parking calls return Fault::cancelled. Any LWP, and async-
  /// signal-safe, so that a signal handler may call it.
  void request_stop() noexcept;

  [[nodiscard]] runtime_info info() const;
  /// What every thread is doing (see diagnostics.h). From any kernel thread, at any time; it holds
  /// up spawns and ends of threads while it looks.
  [[nodiscard]] runtime_report report() const;

  struct state;

 private:
  friend class report_on_signal;
  void count_own_kernel_thread(int change) noexcept;
  std::unique_ptr<state> state_;
};

}  // namespace mutirao::threads
