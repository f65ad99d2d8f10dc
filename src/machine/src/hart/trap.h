#pragma once

#include "hart/csr.h"
#include "hart/hart.h"

/// Traps: exceptions, interrupts, delegation, and the way back (Priv. 20240411, 3.1.6
/// to 3.1.16, 3.3).
namespace mutirao::machine {

/// The instruction at `hart.pc` ends in `exception`: the hart is at the handler afterwards.
void take_exception(Core& core, Exception exception);

/// If an interrupt is pending and enabled, the hart is at its handler afterwards. True if so.
bool take_interrupt(Core& core);

/// Whether wfi has something to wake up for: pending and enabled, whatever the global enables say.
[[nodiscard]] bool wakes(Core const& core) noexcept;

/// False for an illegal instruction.
[[nodiscard]] bool return_from_machine(Core& core);
[[nodiscard]] bool return_from_supervisor(Core& core);

}  // namespace mutirao::machine
