#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "mutirao/base/result.h"

/// Which bytes may stand where in an HTTP message (RFC 9110 §5.5, §5.6.2), as tables: one load a
/// byte.
namespace mutirao::wire {

/// What a message is refused with.
inline std::unexpected<Error> broken_http(std::string_view why) {
  return fail(Fault::corrupt, fmt::format("http: {}", why));
}

}  // namespace mutirao::wire

namespace mutirao::wire::syntax {

using Table = std::array<bool, 256>;

constexpr Table make_table(auto predicate) {
  Table table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) table[byte] = predicate(byte);
  return table;
}
constexpr bool is_digit(unsigned byte) noexcept { return byte >= '0' && byte <= '9'; }
constexpr bool is_alpha(unsigned byte) noexcept {
  return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}
constexpr bool is_hex(unsigned byte) noexcept {
  return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

/// Methods and field names.
inline constexpr Table kToken = make_table([](unsigned byte) {
  return byte < 128 && (is_digit(byte) || is_alpha(byte) ||
                        std::string_view{"!#$%&'*+-.^_`|~"}.find(static_cast<char>(byte)) !=
                            std::string_view::npos);
});
/// Field values and reason phrases: no control byte but the tab.
inline constexpr Table kValue =
    make_table([](unsigned byte) { return byte == '\t' || (byte >= 0x20 && byte != 0x7f); });
/// Request targets. Browsers send some bytes unescaped that RFC 3986 does not allow; only those are
/// refused that could split the line or that some reader would cut off.
inline constexpr Table kTarget =
    make_table([](unsigned byte) { return byte > 0x20 && byte < 0x7f && byte != '#'; });

[[nodiscard]] inline bool all_of(std::string_view text, Table const& table) noexcept {
  return std::ranges::all_of(text, [&](char c) { return table[static_cast<std::uint8_t>(c)]; });
}
[[nodiscard]] inline bool is_token(std::string_view text) noexcept {
  return !text.empty() && all_of(text, kToken);
}

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
[[nodiscard]] inline bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, {}, lower, lower);
}

/// Without the spaces and tabs around it.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept {
  auto const first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Digits and nothing else, below 2^63; "+5", "0x5", "5 " and "" are none.
[[nodiscard]] constexpr std::optional<std::uint64_t> parse_digits(std::string_view text) noexcept {
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::uint64_t value = 0;
  for (char const c : text) {
    if (!is_digit(static_cast<std::uint8_t>(c))) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');  // 19 digits fit into 64 bits
  }
  if (value >> 63 != 0) return std::nullopt;
  return value;
}

}  // namespace mutirao::wire::syntax
