#include "mutirao/middleware/interceptors.h"
#include "mutirao/threads/this_thread.h"

#include "call_context.h"

namespace mutirao::middleware {

Reply DefaultDeadline::intercept(Call& call, Next next) {
  auto const now = threads::now();
  auto const outer = call_context();
  if (call.incoming) {
    // Others have had the call meanwhile: what came too late is not begun.
    if (call.deadline.passed(now))
      return call.fail(not_executed(Fault::timed_out, "the call's time was over before it began"));
    InContext const inside{{.deadline = call.deadline, .trace = outer.trace}};
    return next(call);
  }
  if (call.deadline.is_never() && !call.endless) call.deadline = Deadline::at(now + length_);
  call.deadline = earlier(call.deadline, outer.deadline);
  return next(call);
}

}  // namespace mutirao::middleware
