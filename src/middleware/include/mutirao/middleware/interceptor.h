#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/middleware/call.h"

namespace mutirao::middleware {

class Next;

/// A concern that every call passes through and no application sees: tracing, admission, retries.
///
/// Direct style: what comes before `next(call)` happens on the way in, what comes after it on the
/// way out. It may call `next` never (an answer from a cache, a refusal), once, or many times
/// (retries, replicas), and it may park, for each call has a thread of its own. Calls come from any
/// number of threads at once.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  virtual Reply intercept(Call& call, Next next) = 0;
};

/// The rest of the chain.
class Next {
 public:
  struct Link {
    Interceptor* self;
    Reply (*intercept)(Interceptor*, Call&, Next);
  };
  explicit Next(Link const* rest) noexcept : rest_{rest} {}
  Reply operator()(Call& call) const {
    return rest_->intercept(rest_->self, call, Next{rest_ + 1});
  }

 private:
  Link const* rest_;
};

/// The order in which concerns act, outermost first, the same on both sides: so nobody has to
/// wonder whether a retry happens inside or outside a timeout.
enum class Phase : std::uint8_t {
  trace,
  auth,
  deadline,
  admission,
  cache,
  retry,
  replicate,
  route,
  codec,
};
inline constexpr std::size_t kPhases = 9;
[[nodiscard]] std::string_view to_string(Phase phase) noexcept;
[[nodiscard]] Result<Phase> phase_from(std::string_view text);

/// An interceptor with its place. `before` and `after` name others of the same phase.
struct Placed {
  std::string name;
  Phase phase = Phase::trace;
  std::shared_ptr<Interceptor> interceptor;
  std::vector<std::string> before{};
  std::vector<std::string> after{};
};

}  // namespace mutirao::middleware
