#pragma once

namespace mutirao::base {
/// Prints where our own bug was found and stops the program.
[[noreturn]] void fail_assertion(char const* expression, char const* file, int line) noexcept;
}  // namespace mutirao::base

/// Our own bugs stop here, also in release builds. Never used on input: what the outside world can
/// trigger is a `Result`.
#define MUT_ASSERT(expression)   \
  (static_cast<bool>(expression) \
       ? static_cast<void>(0)    \
       : ::mutirao::base::fail_assertion(#expression, __FILE__, __LINE__))
#define MUT_UNREACHABLE() ::mutirao::base::fail_assertion("unreachable", __FILE__, __LINE__)
