#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/units.h"
#include "mutirao/machine/machine.h"

/// A Linux program of another architecture, run at the system-call interface: its instructions are
/// translated as those of a machine, and its system calls become those of this host.
namespace mutirao::machine {

struct UserProgram {
  std::string path;                    ///< of an ELF file for 64-bit RISC-V, linked statically
  std::vector<std::string> arguments;  ///< argv, its name first
  std::vector<std::string> environment;
  std::uint64_t memory_bytes =
      4_GiB;  ///< of it and its children; what nobody touches costs nothing
  Engine engine = Engine::translator;  ///< audit is for machines
  /// Gets a line for each system call that is not there. May be empty.
  std::function<void(std::string_view)> trace{};
};

/// How a program ended.
struct UserProgramEnd {
  int code = 0;    ///< as it gave to exit
  int signal = 0;  ///< that ended it; 0: none
};

/// Runs it until it ends, with what this process has open as 0, 1 and 2. It has this user's rights,
/// and sees this host's files: it is no guest that is kept apart, but a program that one starts.
/// Its children run in turns with it, inside of this process, and end with it at the latest.
///
/// Blocks the kernel thread that calls it: not for user threads.
[[nodiscard]] Result<UserProgramEnd> run_user_program(UserProgram program);

}  // namespace mutirao::machine
