#include "call_context.h"

#include "mutirao/threads/local.h"

namespace mutirao::middleware {

CallContext& call_context() {
  static threads::local<CallContext> here;
  return here.get();
}

}  // namespace mutirao::middleware
