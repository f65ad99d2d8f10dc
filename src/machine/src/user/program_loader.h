#pragma once

#include <string>
#include <vector>

#include "mutirao/base/result.h"

#include "user/user_memory.h"

namespace mutirao::machine::user {

/// Where a loaded program begins.
struct ProgramStart {
  UserAddress pc;
  UserAddress stack;
};

struct ProgramWords {
  std::string path;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
};

/// All of a file of the host, and where it is from the root.
struct ProgramFile {
  Bytes bytes;  ///< at most 256 MiB
  std::string path;
};
[[nodiscard]] Result<ProgramFile> read_program(int folder, std::string const& path);

/// Where an open file of the host is, from the root; empty when that can't be told.
[[nodiscard]] std::string path_of(HostFile const& file);

/// Puts a statically linked program into an empty space, with the stack that the System V ABI for
/// RISC-V has at the begin of a program: argc, argv, envp and the auxiliary vector. Fails with
/// unsupported for programs that want libraries, and as ElfFile for files that are none.
[[nodiscard]] Result<ProgramStart> load_program(AddressSpace& space, ByteView file,
                                                ProgramWords const& words);

}  // namespace mutirao::machine::user
