#pragma once

#include <cstdint>
#include <sys/syscall.h>

namespace mutirao::world {

/// A system call of this host, for whoever imitates a kernel to a program of another architecture
/// and passes on what the host does better: numbers are those of <sys/syscall.h>, pointers are
/// ours. Gives what the kernel does: a value, or a negative error number. Blocks the kernel thread:
/// not for user threads.
[[nodiscard]] std::int64_t system_call(std::int64_t number, std::int64_t a = 0, std::int64_t b = 0,
                                       std::int64_t c = 0, std::int64_t d = 0, std::int64_t e = 0,
                                       std::int64_t f = 0) noexcept;

/// The same with a pointer among the arguments.
template <class T>
[[nodiscard]] std::int64_t argument_of(T* pointer) noexcept {
  return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(pointer));
}

}  // namespace mutirao::world
