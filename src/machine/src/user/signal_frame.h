#pragma once

#include <array>
#include <cstdint>

#include "user/task.h"

namespace mutirao::machine::user {

/// What a signal handler returns to: li a7, 139 (rt_sigreturn); ecall. It lies in the page behind
/// the gate, so far from its begin.
inline constexpr std::array<std::uint32_t, 2> kSignalReturn{0x08B00893, 0x00000073};
inline constexpr std::uint64_t kSignalReturnOffset = 16;

/// Lets the task go on in its handler of the signal, with a frame on its stack as Linux makes it
/// (arch/riscv/kernel/signal.c; struct rt_sigframe). False when there is no stack for that.
[[nodiscard]] bool enter_handler(Task& task, int signal);

/// Lets it go on where the frame on its stack says. False when there is none.
[[nodiscard]] bool leave_handler(Task& task);

}  // namespace mutirao::machine::user
