#pragma once

#include <expected>

#include "hart/csr.h"
#include "isa/instruction.h"

namespace mutirao::machine {

/// lr, sc, the AMOs and Zacas (Unpriv. 20240411, chapters 13 and 15), as atomics of the host: right
/// also when harts run on several threads. x86 orders them more strongly than aq and rl can ask
/// for.
///
/// A reservation remembers the value that lr saw, and sc compares and exchanges: it succeeds when
/// the value is back to what it was, even if it was another in between.
[[nodiscard]] std::expected<void, Exception> execute_atomic(Core& core,
                                                            Instruction instruction) noexcept;

[[nodiscard]] constexpr bool is_atomic(Op op) noexcept {
  return op >= Op::lr_w && op <= Op::amocas_q;
}

}  // namespace mutirao::machine
