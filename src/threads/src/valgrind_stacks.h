#pragma once

#include <cstddef>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define MUT_VALGRIND 1
#endif

namespace mutirao::threads {

/// Valgrind takes a stack pointer that jumps for a huge frame, unless it knows the stacks. Told
/// once for each stack, not for each switch; a few instructions without effect outside Valgrind,
/// and nothing where its headers are not installed. The number is for forget_stack_of_valgrind().
inline unsigned tell_valgrind_of_stack([[maybe_unused]] std::byte* low,
                                       [[maybe_unused]] std::size_t size) noexcept {
#if defined(MUT_VALGRIND)
  return static_cast<unsigned>(VALGRIND_STACK_REGISTER(low, low + size));
#else
  return 0;
#endif
}
inline void forget_stack_of_valgrind([[maybe_unused]] unsigned number) noexcept {
#if defined(MUT_VALGRIND)
  VALGRIND_STACK_DEREGISTER(number);
#endif
}

}  // namespace mutirao::threads
