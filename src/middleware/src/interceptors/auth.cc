#include "mutirao/middleware/interceptors.h"

namespace mutirao::middleware {

Reply Auth::intercept(Call& call, Next next) {
  if (auto allowed = policy_(call); !allowed) {
    auto why = std::move(allowed).error();
    auto failure = not_executed(why.fault, std::move(why.what), std::move(why.mend));
    failure.origin = "auth";
    return call.fail(std::move(failure));
  }
  return next(call);
}

}  // namespace mutirao::middleware
