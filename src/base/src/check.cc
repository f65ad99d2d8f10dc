#include "mutirao/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mutirao::base {

void fail_assertion(char const* expression, char const* file, int line) noexcept {
  std::fprintf(stderr, "bug: assertion failed: %s\n  at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace mutirao::base
