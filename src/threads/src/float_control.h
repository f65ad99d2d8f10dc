#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace mutirao::threads {

/// How floating point rounds and which of its exceptions trap. Belongs to the user thread as it
/// belongs to a thread of the system, and a new one inherits it; but hardly any thread changes it,
/// and to load it is dear. So a thread that leaves has its own read, and the LWP's loaded only when
/// they differ.
#if defined(__x86_64__)
/// The control bits of MXCSR (System V ABI 3.2.1: those are kept across calls), and above them the
/// x87 control word.
using float_control = std::uint32_t;

inline float_control read_float_control() noexcept {
  constexpr std::uint32_t kControlBits = 0xffc0;
  std::uint16_t x87 = 0;
  asm volatile("fnstcw %0" : "=m"(x87));
  return (_mm_getcsr() & kControlBits) | static_cast<std::uint32_t>(x87) << 16;
}

inline void load_float_control(float_control wanted) noexcept {
  auto const x87 = static_cast<std::uint16_t>(wanted >> 16);
  asm volatile("fldcw %0" : : "m"(x87));
  _mm_setcsr(wanted & 0xffff);
}
#else
using float_control = int;
inline float_control read_float_control() noexcept { return std::fegetround(); }
inline void load_float_control(float_control wanted) noexcept { std::fesetround(wanted); }
#endif

}  // namespace mutirao::threads
