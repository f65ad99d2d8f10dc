#pragma once

#include <cstdint>

/// Where things stand on the board: the addresses and interrupt numbers of QEMU's `virt`, which
/// firmware, kernels and their manuals know.
namespace mutirao::machine::board {

inline constexpr std::uint64_t kSyscon = 0x100000, kRtc = 0x101000, kClint = 0x2000000,
                               kPlic = 0xC000000, kUart = 0x10000000, kEcam = 0x30000000,
                               kPciWindow = 0x40000000, kRam = 0x80000000;
inline constexpr std::uint64_t kPciWindowSize = 0x40000000;
inline constexpr unsigned kUartInterrupt = 10, kRtcInterrupt = 11, kPciInterrupt = 32;
inline constexpr std::uint64_t kTicksPerSecond = 10'000'000;
/// Where firmware looks for the kernel, and what a boot loader is made for.
inline constexpr std::uint64_t kKernelBehindFirmware = kRam + 0x200000;

}  // namespace mutirao::machine::board
