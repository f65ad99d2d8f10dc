#include "mutirao/middleware/interceptors.h"

namespace mutirao::middleware {

Reply Auth::intercept(Call& call, Next next) {
  if (auto why = policy_(call)) {
    auto failure = not_executed(Fault::refused, *std::move(why), "ask the owner of the node");
    failure.origin = "auth";
    return call.fail(std::move(failure));
  }
  return next(call);
}

}  // namespace mutirao::middleware
