#pragma once

/// From one stack to another: what remains of a context switch when everything that the scheduler
/// knows is left out.
///
///   saved_stack                                  where a stack goes on; valid while it is left
///   lowest(saved)                                the lowest address of what lies on it
///   prepare_stack(saved, top, size, first)       `first`, which never returns, starts below `top`
///   switch_stack(from, to)                       leaves `from`, goes on at `to`; returns when
///                                                somebody switches to `from`
///
/// Ours is for x86-64; Boost.Context serves other processors, and is what ours is tested against.
/// Rounding and such are for the caller (float_control.h), unless kSwitchKeepsRounding.
/// Configure with -DMUTIRAO_SWITCH=fcontext to run on it everywhere.
#if defined(__x86_64__)
#include "switch_x86_64.h"
#endif
#include "switch_fcontext.h"

namespace mutirao::threads {

#if defined(__x86_64__) && !defined(MUTIRAO_SWITCH_FCONTEXT)
using namespace switch_x86_64;
inline constexpr bool kSwitchKeepsRounding = false;
#else
using namespace switch_fcontext;
#if defined(__x86_64__)
inline constexpr bool kSwitchKeepsRounding = true;
#else
inline constexpr bool kSwitchKeepsRounding = false;
#endif
#endif

}  // namespace mutirao::threads
