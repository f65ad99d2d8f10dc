#pragma once

#include <cstddef>
#include <cstdint>

#include "sanitizers.h"

namespace mutirao::threads::switch_x86_64 {

struct saved_stack {
  void* top = nullptr;
  void* frame = nullptr;
  void* resume = nullptr;
};

/// The lowest of what lies on it: what is read first when it goes on.
inline void const* lowest(saved_stack const& saved) noexcept { return saved.top; }

inline void prepare_stack(saved_stack& saved, std::byte* top, std::size_t /*size*/,
                          void (*first)()) noexcept {
  // As if it had been called from address 0 (System V ABI 3.2.2): there debuggers stop unwinding.
  auto const aligned = reinterpret_cast<std::uintptr_t>(top) / 16 * 16 - 16;
  auto* const slot = reinterpret_cast<void**>(aligned) - 1;
  *slot = nullptr;
  saved = {slot, nullptr, reinterpret_cast<void*>(first)};
}

/// In line, and the registers saved by the compiler around it: it saves those that are in use, and
/// knows how to unwind from the point where the stack goes on.
///
/// A processor predicts returns by a stack of the calls that it has seen. A switch by call and
/// return makes that stack wrong, and so every return that the other side does until it calls
/// again; five times the cost of the switch itself. Here a thread that waits in a function and one
/// that goes on in the same function look like one call to the prediction.
///
/// Nothing lies below the stack pointer afterwards but the red zone, which moves with it. Rounding
/// and such is for the caller (float_control.h).
MUT_SWITCHES void switch_stack(saved_stack& from, saved_stack& to) noexcept {
  auto* leave = &from;
  auto* enter = &to;
  asm volatile(
      "leaq 1f(%%rip), %%rax\n\t"
      "movq %%rsp, 0(%0)\n\t"
      "movq %%rbp, 8(%0)\n\t"
      "movq %%rax, 16(%0)\n\t"
      "movq 0(%1), %%rsp\n\t"
      "movq 8(%1), %%rbp\n\t"
      "jmp *16(%1)\n"
      "1:"
      : "+D"(leave), "+S"(enter)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0",
        "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",
        "xmm12", "xmm13", "xmm14", "xmm15",
#if defined(__AVX512F__)
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6",
        "k7",
#endif
        "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc", "memory");
}

}  // namespace mutirao::threads::switch_x86_64
