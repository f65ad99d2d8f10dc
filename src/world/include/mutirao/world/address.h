#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

namespace mutirao::world {

/// An IPv4 or IPv6 address; a value. IPv4 is kept as itself, never as a mapped IPv6 address.
class IpAddress {
 public:
  IpAddress() = default;  ///< 0.0.0.0
  [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> bytes) noexcept;
  [[nodiscard]] static IpAddress v6(std::array<std::uint8_t, 16> bytes) noexcept;
  [[nodiscard]] static IpAddress loopback() noexcept { return v4({127, 0, 0, 1}); }
  [[nodiscard]] static IpAddress any() noexcept { return {}; }
  /// 4 or 16 bytes, in network order, as in compact peer lists.
  [[nodiscard]] static std::optional<IpAddress> from_bytes(ByteView bytes) noexcept;
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] bool is_v4() const noexcept { return size_ == 4; }
  [[nodiscard]] ByteView bytes() const noexcept { return {bytes_.data(), size_}; }
  [[nodiscard]] bool is_loopback() const noexcept;
  [[nodiscard]] bool is_unspecified() const noexcept;
  /// Loopback, link-local, private (RFC 1918, RFC 4193), shared (RFC 6598), multicast, reserved:
  /// what a public server has no business to send us to.
  [[nodiscard]] bool is_internal() const noexcept;
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(IpAddress const&, IpAddress const&) = default;

 private:
  std::uint8_t size_ = 4;
  std::array<std::uint8_t, 16> bytes_{};
};

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "10.0.0.1:80" or "[::1]:80".
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string to_string() const;
  friend auto operator<=>(Endpoint const&, Endpoint const&) = default;
};

}  // namespace mutirao::world

template <>
struct std::hash<mutirao::world::Endpoint> {
  std::size_t operator()(mutirao::world::Endpoint const& endpoint) const noexcept;
};
