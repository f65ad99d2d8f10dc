#pragma once

#include <string>

#include "mutirao/base/result.h"

#include "options.h"

namespace mutirao::cli {

/// Where the package u-boot-qemu of Debian has the boot loader for a machine with firmware.
inline constexpr char kDebianLoader[] = "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin";

/// Which file starts what is on the disks; empty when a kernel, or firmware of its own, begins
/// instead. An image alone is started by Debian's boot loader. Fails when nothing is there to be
/// booted, or what is asked for has no use.
[[nodiscard]] Result<std::string> loader_of(Options const& options);

/// What to do about a boot loader that could not be read.
[[nodiscard]] Error no_loader(Options const& options, Error error);

}  // namespace mutirao::cli
