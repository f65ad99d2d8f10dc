#pragma once

#include "mutirao/base/time.h"
#include "mutirao/middleware/call.h"

namespace mutirao::middleware {

/// What a call that is being served hands on to the calls that its servant makes.
struct CallContext {
  Deadline deadline = Deadline::never();
  TraceContext trace{};
};

/// Of the call that this thread serves; nothing when it serves none.
[[nodiscard]] CallContext& call_context();

/// While one lives, the thread's context is another.
class InContext {
 public:
  explicit InContext(CallContext context) : outer_{std::exchange(call_context(), context)} {}
  ~InContext() { call_context() = outer_; }
  InContext(InContext const&) = delete;
  InContext& operator=(InContext const&) = delete;

 private:
  CallContext outer_;
};

}  // namespace mutirao::middleware
