#pragma once

#include <utility>

#include "mutirao/middleware/call.h"
#include "mutirao/middleware/interceptor.h"
#include "mutirao/threads/task.h"

namespace mutirao::middleware {

/// The same call once more, for another place; what it brings along can't go to two. Lives on its
/// own: its answer is encoded, and its parent may take() it.
struct ChildCall {
  ChildCall(Call const& parent, Target to)
      : target{std::move(to)}, call{target, parent.method_name, parent.method, parent.arguments} {
    call.deadline = parent.deadline;
    call.endless = parent.endless;
    call.trace = parent.trace;
    call.key = parent.key;
    call.fields = parent.fields;
    call.caller = parent.caller;
    call.scratch = &scratch;
  }
  ChildCall(ChildCall const&) = delete;
  ChildCall& operator=(ChildCall const&) = delete;

  Target target;
  wire::MsgpackWriter scratch;
  Call call;
};

/// Passes it on. Its parent waits for a reply, so what is thrown becomes one.
[[nodiscard]] inline Reply passed_on(ChildCall& child, Next next) {
  try {
    auto const reply = next(child.call);
    if (!reply.failed()) reply.keep();
    return reply;
  } catch (...) {
    return child.call.fail(
        Failure{threads::detail::escaped_exception(), Executed::maybe, Retry::never, {}, {}});
  }
}

/// The target of a call at one of its places: 0 is the first, then come the replicas.
[[nodiscard]] inline Target at_place(Target const& target, std::size_t place) {
  Target one = target;
  if (place > 0) one.route = target.replicas[place - 1];
  one.replicas.clear();
  one.replicated = false;
  return one;
}

}  // namespace mutirao::middleware
