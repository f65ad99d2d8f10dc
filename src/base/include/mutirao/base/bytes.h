#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mutirao::base {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<std::uint8_t const>;
using MutableBytes = std::span<std::uint8_t>;

[[nodiscard]] inline ByteView view_of(std::string_view text) noexcept {
  return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view text_of(ByteView bytes) noexcept {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// Network byte order. `bytes` holds at least sizeof(T).
template <std::unsigned_integral T>
[[nodiscard]] T load_be(ByteView bytes) noexcept {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1)
    value = std::byteswap(value);
  return value;
}
template <std::unsigned_integral T>
void store_be(MutableBytes bytes, T value) noexcept {
  if constexpr (std::endian::native == std::endian::little && sizeof(T) > 1)
    value = std::byteswap(value);
  std::memcpy(bytes.data(), &value, sizeof value);
}
template <std::unsigned_integral T>
void append_be(Bytes& out, T value) {
  std::array<std::uint8_t, sizeof(T)> encoded;
  store_be<T>(encoded, value);
  out.insert(out.end(), encoded.begin(), encoded.end());
}

[[nodiscard]] std::string to_hex(ByteView bytes);
/// Upper or lower case; empty optional for anything that is not an even number of hex digits.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);
/// RFC 4648 base32 without padding, in lower case.
[[nodiscard]] std::string to_base32(ByteView bytes);
/// RFC 4648 base32 without padding, either case.
[[nodiscard]] std::optional<Bytes> from_base32(std::string_view text);
/// RFC 3986 percent-encoding of everything but unreserved characters.
[[nodiscard]] std::string percent_encode(ByteView bytes);
/// Refuses a broken escape.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

}  // namespace mutirao::base

namespace mutirao {
using base::Bytes;
using base::ByteView;
using base::MutableBytes;
}  // namespace mutirao
