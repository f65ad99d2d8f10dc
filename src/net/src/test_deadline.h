#pragma once

#include "mutirao/base/time.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::net::test {

/// Long enough for every exchange of a test, and an end for one that hangs.
inline Deadline soon() { return threads::within(120s); }

}  // namespace mutirao::net::test
