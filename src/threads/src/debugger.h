#pragma once

#include "mutirao/threads/runtime.h"

namespace mutirao::threads {

/// A debugger finds the runtimes of a program, and its way to their threads, by two symbols and
/// without debug information: src/threads/gdb/mutirao_threads.py.
void show_to_debugger(runtime::state& shown) noexcept;
void hide_from_debugger(runtime::state& hidden) noexcept;

}  // namespace mutirao::threads
