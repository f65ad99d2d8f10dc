#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mutirao/threads/diagnostics.h"

namespace mutirao::threads {

/// What was copied of one thread while the way to it was locked.
struct listed_thread {
  std::uint64_t id = 0;
  std::string name;
  unsigned depth = 0;
  thread_state state = thread_state::ready;
  wait_kind kind = wait_kind::other;
  void const* object = nullptr;
  std::uintptr_t detail = 0;
  std::uint64_t since = 0;
  std::uint64_t born = 0;
  bool stop_requested = false;
  std::uintptr_t stack_low = 0;
  std::uintptr_t stack_end = 0;
};

/// Every living thread, each after the one whose scope it is in. From any kernel thread.
[[nodiscard]] std::vector<listed_thread> list_threads(runtime::state& state);
[[nodiscard]] std::vector<thread_info> describe(runtime::state const& state,
                                                std::vector<listed_thread> const& listed);

/// Who holds the mutexes now, instead of when the wait began. Only while nothing runs: a mutex may
/// be gone as soon as its waiter goes on.
void look_up_holders(std::vector<listed_thread>& listed) noexcept;

/// One line of a report, indented by scope.
[[nodiscard]] std::string thread_line(thread_info const& thread);

[[nodiscard]] runtime_report report_of(runtime::state& state);
[[nodiscard]] runtime_info info_of(runtime::state const& state);

}  // namespace mutirao::threads
