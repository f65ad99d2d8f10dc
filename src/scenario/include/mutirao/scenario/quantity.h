#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mutirao/base/time.h"

/// Amounts as people write them in scenarios: a number and its unit. Pure.
namespace mutirao::scenario {

/// "20 ms", "1.5 min"; units us, ms, s, min, h.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
/// The largest unit that gives a whole number; parse_duration() reads it again to the same.
[[nodiscard]] std::string write_duration(Duration duration);

/// "1 MiB", "500 kB", "17 B".
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);
[[nodiscard]] std::string write_bytes(std::uint64_t bytes);

}  // namespace mutirao::scenario
