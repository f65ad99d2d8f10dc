#pragma once

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/world/network.h"

namespace mutirao::middleware {

/// Tells somebody who has just connected why nothing will come of it, in the protocol that it
/// speaks; to a program that speaks none in which that can be said, nothing. Takes some seconds at
/// most.
void turn_away(world::Stream& stream, Error const& why);
/// The same when somebody has read something already.
void turn_away(world::Stream& stream, ByteView read_ahead, Error const& why);

}  // namespace mutirao::middleware
