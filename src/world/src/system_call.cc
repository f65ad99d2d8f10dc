#include "mutirao/world/system_call.h"

#include <unistd.h>

#include "mutirao/threads/io.h"

namespace mutirao::world {

std::int64_t system_call(std::int64_t number, std::int64_t a, std::int64_t b, std::int64_t c,
                         std::int64_t d, std::int64_t e, std::int64_t f) noexcept {
  long const done = ::syscall(static_cast<long>(number), a, b, c, d, e, f);
  return done == -1 ? -threads::last_error_number() : done;
}

}  // namespace mutirao::world
