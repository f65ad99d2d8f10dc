#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"

namespace mutirao::middleware {

/// Whether a call that failed has been carried out. Who wants to call again needs to know.
enum class Executed : std::uint8_t {
  no,     ///< surely not: calling again does no harm
  maybe,  ///< the answer was lost: only idempotent methods may be called again
  yes,    ///< the method itself failed
};

/// What the server, or whoever failed the call, thinks of another try.
enum class Retry : std::uint8_t {
  never,      ///< it would fail again
  elsewhere,  ///< another replica may do better
  later,      ///< here, after `Failure::retry_after`
};

/// Why a call failed: an Error that also says whether the call was executed, whether to try again,
/// and who failed it. Where a Result is wanted, it is its Error.
struct Failure : Error {
  Executed executed = Executed::no;
  Retry retry = Retry::never;
  Duration retry_after{};
  std::string origin{};  ///< node or interceptor; empty: the one that was called
};

/// What a call gives.
template <class T>
using Outcome = std::expected<T, Failure>;

/// A failure of a call that surely was not executed.
[[nodiscard]] inline Failure not_executed(Fault fault, std::string what, std::string mend = {},
                                          Retry retry = Retry::never) {
  return Failure{Error{fault, std::move(what), std::move(mend)}, Executed::no, retry, {}, {}};
}

[[nodiscard]] std::string_view to_string(Executed executed) noexcept;
[[nodiscard]] std::string_view to_string(Retry retry) noexcept;

}  // namespace mutirao::middleware
