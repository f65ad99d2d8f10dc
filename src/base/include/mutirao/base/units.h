#pragma once

#include <cstdint>
#include <string>

#include "mutirao/base/time.h"

namespace mutirao::base {

inline namespace units {
constexpr std::uint64_t operator""_KiB(unsigned long long n) noexcept { return n << 10; }
constexpr std::uint64_t operator""_MiB(unsigned long long n) noexcept { return n << 20; }
constexpr std::uint64_t operator""_GiB(unsigned long long n) noexcept { return n << 30; }
}  // namespace units

/// For people: "48.2 MB" (decimal units, three significant digits).
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
/// For people: "48.2 MB/s".
[[nodiscard]] std::string format_rate(double bytes_per_s);
/// For people: "850 ms", "12 s", "3 min 20 s", "2 h 5 min".
[[nodiscard]] std::string format_duration(Duration duration);

}  // namespace mutirao::base

namespace mutirao {
using namespace base::units;
}  // namespace mutirao
