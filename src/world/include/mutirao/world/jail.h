#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "mutirao/base/result.h"

/// A process that runs what a stranger gave it, such as a guest's system, gives up what it does not
/// need before it begins. Then a mistake of ours that the stranger finds gives him a process that
/// sees no file, has no privilege, and can ask the kernel for next to nothing.
///
/// Walls, each of which stands without the others, and in this order:
///
///   leave_files(...)     an empty file system takes the place of all others; what is open stays
///   leave_network()      for who needs none: no other machine, and no nameless socket of this one
///   give_up_privileges() no capability is left and none can be had, by no program
///   allow_only(sets)     the kernel answers the system calls of the sets, and no others
///
/// For processes of the real world alone: a test, or a monitor that forked. There is no way back.
namespace mutirao::world::jail {

/// What a program may ask of the kernel, by what it is for (jail_sets.cc has the lists).
enum class Calls : std::uint8_t {
  compute,  ///< memory, threads of this process, time, randomness, its own signals, its end
  code,     ///< memory that is executed, until allow_no_new_code()
  files,    ///< reads and writes of what is open
  streams,  ///< connections of sockets that are open: accepts them, and waits for them
  network,  ///< sockets of its own to other machines: IPv4 and IPv6; and to learn its addresses
  local,    ///< Unix sockets: its own, and those that it finds (leave_network)
  names,    ///< opens files by name: for a process that has left all but a few
  folders,  ///< opens, names and removes below folders that are open
};

/// Puts a read-only file system in the place of all that the process sees, with nothing in it but
/// copies of the files `kept` that there are, at most 64 KiB each, and the folders `folders`
/// themselves, where they were; all of them absolute paths. Where this needs a right that the
/// process does not have, a user namespace lends it. Call it while the process has one thread.
/// Fails with refused where the system forbids it; then it sees what it saw.
[[nodiscard]] Result<void> leave_files(std::span<std::string const> kept = {},
                                       std::span<std::string const> folders = {});

/// Puts a network without anything in it in the place of that of the host. With it go the Unix
/// sockets of the host that have a name and no file ("abstract" ones, unix(7)), which no file
/// system keeps away from who may use Calls::local. After leave_files, whose user namespace lends
/// the right to it. Fails with refused where the system forbids it.
[[nodiscard]] Result<void> leave_network();

/// Drops all capabilities, of now and of programs that would be started (capabilities(7)), and sets
/// no_new_privs. While the process has one thread.
[[nodiscard]] Result<void> give_up_privileges();

/// From now on the kernel answers these calls, to all threads that there are and will be. One that
/// looks for a file by name finds none (EACCES), unless a set allows it. Any other call ends
/// the process with kViolated, after the number of the call was written to `report`, a descriptor,
/// as a decimal and a new line. Fails with unsupported where the kernel can't filter.
[[nodiscard]] Result<void> allow_only(std::span<Calls const> sets, int report);

/// Nothing that is not executable becomes so any more; ends what Calls::code allowed.
[[nodiscard]] Result<void> allow_no_new_code();

/// Exit code of a process that did what it must not.
inline constexpr int kViolated = 86;

/// The name of a system call of this machine, such as "execve"; its number if it has none.
[[nodiscard]] std::string name_of_call(int number);

}  // namespace mutirao::world::jail
