#pragma once

#include <cstdint>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

#include "memory/guest_memory.h"

namespace mutirao::machine {

/// Puts kernels, firmware and their files into RAM, where they want to be and nothing else is.
///
/// A kernel is larger in memory than its file: what lies behind the file until `end` is its bss,
/// and a file placed there is gone before it is read. So everything else goes above the highest
/// end.
struct Loaded {
  GuestAddress entry;
  GuestAddress end;  ///< the first byte that it does not need
};

/// A kernel at `base` or wherever it asks for: an Image of RISC-V Linux (its
/// Documentation/arch/riscv/boot-image-header.rst), the same compressed by gzip or zstd, or an ELF
/// file. Fault::unsupported for anything else, Fault::exhausted when it does not fit.
[[nodiscard]] Result<Loaded> load_kernel(GuestMemory& memory, GuestAddress base, Bytes file);

/// Firmware that enters in machine mode: an ELF file, or bytes that run at `base`.
[[nodiscard]] Result<Loaded> load_firmware(GuestMemory& memory, GuestAddress base, Bytes file);

/// A boot loader that enters in supervisor mode: the same.
[[nodiscard]] Result<Loaded> load_boot_loader(GuestMemory& memory, GuestAddress base, Bytes file);

/// Bytes at the first multiple of `alignment` from `from` on.
[[nodiscard]] Result<Loaded> load_bytes(GuestMemory& memory, GuestAddress from,
                                        std::uint64_t alignment, ByteView bytes,
                                        std::string_view what);

}  // namespace mutirao::machine
