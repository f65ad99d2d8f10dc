#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/threads/park.h"
#include "mutirao/threads/runtime.h"

/// What the threads of a runtime are doing, for people who wonder why nothing happens.
namespace mutirao::threads {

enum class thread_state : std::uint8_t {
  running,  ///< on an LWP
  ready,    ///< waits for an LWP
  parked,   ///< waits for what `waits_for` says
  blocked,  ///< in an announced blocking call, with its LWP
};
[[nodiscard]] std::string_view to_string(thread_state state) noexcept;

struct thread_info {
  std::uint64_t id = 0;
  std::string name;
  /// Whose scopes it lives in, outermost first: "main > node > peers"; empty for the first thread.
  std::string scope;
  unsigned depth = 0;  ///< how many those are
  thread_state state = thread_state::ready;
  wait_kind waits_for = wait_kind::other;  ///< of a parked or blocked one
  std::string wait;  ///< the same for people: "mutex 0x5581, held by writer (thread 7)"
  /// At most: counted from when an LWP last took the thread up, or the blocking call began.
  Duration since{};
  Duration age{};
  bool stop_requested = false;
};

struct processor_info {
  unsigned index = 0;
  std::uint32_t queued = 0;  ///< ready threads in its own queue
  std::uint64_t switches = 0;
  std::uint64_t steals = 0;
  bool in_blocking_call = false;  ///< its LWP is; not yet lent to another
};

/// A look at a running program: each thread is seen at its own moment, and may have gone on since.
struct runtime_report {
  runtime_info info;
  std::vector<processor_info> processors;
  std::vector<thread_info> threads;  ///< those of a scope after the thread that made it
};

/// All of it as text: a summary, a line for each processor, a line for each thread, indented by
/// scope.
[[nodiscard]] std::string to_text(runtime_report const& report);

/// Of the runtime that the calling thread belongs to.
[[nodiscard]] runtime_report this_runtime_report();

/// While one lives, a signal (SIGQUIT, as with Go and Java) prints the report of `subject` on
/// standard error, and the program goes on. A kernel thread of its own waits for the signal, so
/// that it answers also when every processor is stuck. Made before the runtime runs, so that its
/// LWPs inherit the signal mask.
class report_on_signal {
 public:
  report_on_signal(runtime& subject, int number);
  ~report_on_signal();
  report_on_signal(report_on_signal const&) = delete;
  report_on_signal& operator=(report_on_signal const&) = delete;

  struct state;

 private:
  std::unique_ptr<state> state_;
};

}  // namespace mutirao::threads
