#include "context.h"

namespace mutirao::threads {

namespace {
MUT_SWITCHES_OUT_OF_LINE void first_entry() {
  arrived(nullptr);
  run_thread(*current_lwp()->running);
}
}  // namespace

void prepare_context(thread_control& thread) noexcept {
  auto* const top = reinterpret_cast<std::byte*>(&thread);
  prepare_stack(thread.context, top, static_cast<std::size_t>(top - thread.stack.low), first_entry);
  thread.rounding = read_float_control();
}

}  // namespace mutirao::threads
