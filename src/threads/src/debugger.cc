#include "debugger.h"

#include <cstddef>
#include <cstdint>
#include <sched.h>

#include "runtime_state.h"
#include "scope_state.h"
#include "thread_control.h"

// Of classes that are no aggregates: right with the compilers that we use.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace mutirao::threads {

/// What the script reads: where things lie. Fields are only added at the end.
struct debugger_layout {
  std::uint64_t version;
  std::uint64_t runtime_next;
  std::uint64_t runtime_main;
  std::uint64_t thread_id;
  std::uint64_t thread_name;  ///< a std::string: address, then length
  std::uint64_t thread_phase;
  std::uint64_t thread_wait_for;
  std::uint64_t thread_wait_object;
  std::uint64_t thread_wait_detail;
  std::uint64_t thread_scopes;
  std::uint64_t thread_next_sibling;
  std::uint64_t thread_stack_low;
  std::uint64_t thread_stack_size;
  std::uint64_t scope_first;
  std::uint64_t scope_next_made;
  std::uint64_t saved_stack;  ///< stack pointer, frame pointer, program counter; or unknown
  char const* phases;
  char const* waits;

  static constexpr std::uint64_t unknown = ~std::uint64_t{0};
  static constexpr debugger_layout ours() noexcept {
    using runtime_state = runtime::state;
    using scope_state = scope::state;
    return {.version = 1,
            .runtime_next = offsetof(runtime_state, next_shown),
            .runtime_main = offsetof(runtime_state, main_),
            .thread_id = offsetof(thread_control, id),
            .thread_name = offsetof(thread_control, name),
            .thread_phase = offsetof(thread_control, phase),
            .thread_wait_for = offsetof(thread_control, wait_for),
            .thread_wait_object = offsetof(thread_control, wait_object),
            .thread_wait_detail = offsetof(thread_control, wait_detail),
            .thread_scopes = offsetof(thread_control, scopes),
            .thread_next_sibling = offsetof(thread_control, next_sibling),
            .thread_stack_low = offsetof(thread_control, stack) + offsetof(stack_block, low),
            .thread_stack_size = offsetof(thread_control, stack) + offsetof(stack_block, size),
            .scope_first = offsetof(scope_state, first),
            .scope_next_made = offsetof(scope_state, next_made),
#if defined(__x86_64__) && !defined(MUTIRAO_SWITCH_FCONTEXT)
            .saved_stack = offsetof(thread_control, context),
#else
            .saved_stack = unknown,
#endif
            // In the order of thread_state and of wait_kind.
            .phases = "running,ready,parked,blocked",
            .waits =
                "another thread,a timer,mutex,shared mutex,condition,semaphore,latch,channel,"
                "select,the threads of its scope,reading descriptor,writing descriptor,"
                "a file operation,a blocking call"};
  }
};

namespace {
/// No spin_guard: a model checker explores those, and this is for a debugger's eyes alone.
class shown_guard {
 public:
  shown_guard() noexcept {
    while (__atomic_exchange_n(&taken_, true, __ATOMIC_ACQUIRE)) sched_yield();
  }
  ~shown_guard() { __atomic_store_n(&taken_, false, __ATOMIC_RELEASE); }
  shown_guard(shown_guard const&) = delete;
  shown_guard& operator=(shown_guard const&) = delete;

 private:
  static inline bool taken_ = false;
};
}  // namespace

extern "C" {
[[gnu::used]] extern constinit debugger_layout const mutirao_threads_layout =
    debugger_layout::ours();
[[gnu::used]] runtime::state* mutirao_threads_first_runtime = nullptr;
}

void show_to_debugger(runtime::state& shown) noexcept {
  shown_guard const guard;
  shown.next_shown = mutirao_threads_first_runtime;
  mutirao_threads_first_runtime = &shown;
}

void hide_from_debugger(runtime::state& hidden) noexcept {
  shown_guard const guard;
  auto** link = &mutirao_threads_first_runtime;
  while (*link != &hidden) link = &(*link)->next_shown;
  *link = hidden.next_shown;
}

}  // namespace mutirao::threads
