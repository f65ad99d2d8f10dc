#pragma once

#include <cstddef>
#include <memory>

namespace mutirao::threads {

struct thread_control;

/// A stack that runs into its guard kills the process with a bare SIGSEGV, and nobody knows why.
/// The handler says which user thread it was, how large its stack is, and what to do; then the
/// process dies as it would have. Faults of other kinds go to the handler that was there before.
void install_overflow_handler();

/// For an overflow that a canary shows after the fact.
[[noreturn]] void report_overflow(thread_control const& thread) noexcept;

/// The stack that signal handlers of this LWP run on: its own has just run out.
class alternate_stack {
 public:
  alternate_stack();
  ~alternate_stack();
  alternate_stack(alternate_stack const&) = delete;
  alternate_stack& operator=(alternate_stack const&) = delete;

 private:
  std::unique_ptr<std::byte[]> memory_;
  bool ours_ = false;
};

}  // namespace mutirao::threads
