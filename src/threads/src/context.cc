#include "context.h"

#include <boost/context/detail/fcontext.hpp>

#include "lwp.h"
#include "sanitizers.h"
#include "thread_control.h"

// The thread sanitizer keeps a shadow call stack for each context. The functions around the jump
// must not appear on it: a thread that ends never returns from them, and its context is used again.
#define MUT_SWITCHES [[gnu::noinline]] __attribute__((no_sanitize("thread")))

namespace mutirao::threads {

using boost::context::detail::fcontext_t;
using boost::context::detail::jump_fcontext;
using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

namespace {
/// On the user thread, just after it was entered: remembers where to leave to.
MUT_SWITCHES void arrived([[maybe_unused]] void* fake_stack, fcontext_t from) noexcept {
  lwp& here = *current_lwp();
  here.context = from;
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_finish_switch_fiber(fake_stack, &here.stack_low, &here.stack_size);
#endif
}

MUT_SWITCHES void first_entry(transfer_t from) {
  arrived(nullptr, from.fctx);
  run_thread(*static_cast<thread_control*>(from.data));
}
}  // namespace

void prepare_context(thread_control& thread) noexcept {
  auto* const top = reinterpret_cast<std::byte*>(&thread);
  thread.context =
      make_fcontext(top, static_cast<std::size_t>(top - thread.stack.low), first_entry);
}

MUT_SWITCHES void enter_thread([[maybe_unused]] lwp& self, thread_control& thread) noexcept {
  restore_language_state(thread.language);
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(&self.fake_stack, thread.stack.low, thread.stack.size);
#endif
#if defined(MUT_THREAD_SANITIZER)
  __tsan_switch_to_fiber(thread.stack.sanitizer_fiber, 0);
#endif
  transfer_t const back = jump_fcontext(thread.context, &thread);
  thread.context = back.fctx;
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_finish_switch_fiber(self.fake_stack, nullptr, nullptr);
#endif
}

MUT_SWITCHES void leave_thread(thread_control& self, [[maybe_unused]] leaving how) noexcept {
  save_language_state(self.language);
  lwp& here = *current_lwp();
#if defined(MUT_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(how == leaving::for_ever ? nullptr : &self.fake_stack,
                                 here.stack_low, here.stack_size);
#endif
#if defined(MUT_THREAD_SANITIZER)
  __tsan_switch_to_fiber(here.sanitizer_fiber, 0);
#endif
  transfer_t const back = jump_fcontext(here.context, nullptr);
  arrived(self.fake_stack, back.fctx);
}

}  // namespace mutirao::threads
