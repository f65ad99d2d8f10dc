#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace mutirao::base {

/// Why an operation failed, as a caller may want to branch on it.
enum class Fault : std::uint8_t {
  not_found,    ///< what was named does not exist
  timed_out,    ///< the deadline passed first
  refused,      ///< the other side, the system or a policy said no
  unreachable,  ///< no way to the other side
  closed,       ///< the other side ended the connection; end of stream
  corrupt,      ///< the bytes do not say what they should
  exhausted,    ///< a limit or resource ran out: disk, memory, descriptors, quota
  unsupported,  ///< understood, but not something that this program does
  invalid,      ///< the request itself makes no sense
  cancelled,    ///< the calling thread was asked to stop
  io,           ///< the system failed: read, write, device
};

[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

/// A failure on its way to a person: `what` with the values in it, `mend` with the next thing to
/// try (empty when there is nothing to do).
struct Error {
  Fault fault;
  std::string what;  // "piece 17 of debian.iso: digest mismatch from 10.0.0.3:6881"
  std::string mend;  // "run: mutirao swarm verify debian.iso"

  /// The same error, told from one step further out: "step: what".
  [[nodiscard]] Error during(std::string_view step) &&;
  [[nodiscard]] Error with_mend(std::string text) &&;
};

/// The error of a failed system call, with the fault that `error_number` stands for.
[[nodiscard]] Error system_error(int error_number, std::string_view step);

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Fault fault, std::string what,
                                                 std::string mend = {}) {
  return std::unexpected{Error{fault, std::move(what), std::move(mend)}};
}

}  // namespace mutirao::base

namespace mutirao {
using base::Error;
using base::fail;
using base::Fault;
using base::Result;
}  // namespace mutirao

/// The value of a Result, or return its error from the enclosing function.
#define MUT_TRY(...)                                                                         \
  (__extension__({                                                                           \
    auto mut_try_result = (__VA_ARGS__);                                                     \
    if (!mut_try_result) [[unlikely]]                                                        \
      return ::std::unexpected<::mutirao::base::Error>{::std::move(mut_try_result).error()}; \
    ::mutirao::base::detail::take(::std::move(mut_try_result));                              \
  }))

namespace mutirao::base::detail {
template <class T, class E>
T take(std::expected<T, E>&& result) {
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}
}  // namespace mutirao::base::detail
