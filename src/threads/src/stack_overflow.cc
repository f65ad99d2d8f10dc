#include "stack_overflow.h"

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <unistd.h>

#include <fmt/format.h>

#include "lwp.h"
#include "thread_control.h"

namespace mutirao::threads {

namespace {
constexpr std::size_t kHandlerStack = 64u << 10;
struct sigaction previous;

/// Async-signal-safe but for fmt into a fixed buffer, which neither allocates nor locks.
void tell(thread_control const& thread) noexcept {
  char text[512];
  auto const end = fmt::format_to_n(text, sizeof text,
                                    "mutirao: stack overflow in thread {} ({} KiB): use a larger "
                                    "spawn_options::stack, or less on the stack\n",
                                    thread.name, thread.stack.size >> 10);
  [[maybe_unused]] auto const written = write(STDERR_FILENO, text, std::min(end.size, sizeof text));
}

void on_fault(int number, siginfo_t* info, void* context) {
  lwp const* const here = current_lwp();
  if (here != nullptr && here->running != nullptr) {
    auto const at = reinterpret_cast<std::uintptr_t>(info->si_addr);
    auto const low = reinterpret_cast<std::uintptr_t>(here->running->stack.low);
    if (at < low && at >= low - stack_pool::kGuardSize) tell(*here->running);
  }
  if ((previous.sa_flags & SA_SIGINFO) != 0 && previous.sa_sigaction != nullptr) {
    previous.sa_sigaction(number, info, context);
    return;
  }
  if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(number);
    return;
  }
  // The fault repeats on return, and the default action leaves a core file of the right place.
  std::signal(number, SIG_DFL);
}
}  // namespace

void install_overflow_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action{};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, &previous);
  });
}

void report_overflow(thread_control const& thread) noexcept {
  tell(thread);
  std::abort();
}

alternate_stack::alternate_stack() {
  stack_t current{};
  sigaltstack(nullptr, &current);
  if ((current.ss_flags & SS_DISABLE) == 0) return;  // a sanitizer has made one
  memory_ = std::make_unique<std::byte[]>(kHandlerStack);
  stack_t mine{};
  mine.ss_sp = memory_.get();
  mine.ss_size = kHandlerStack;
  ours_ = sigaltstack(&mine, nullptr) == 0;
}

alternate_stack::~alternate_stack() {
  if (!ours_) return;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
}

}  // namespace mutirao::threads
