#include "mutirao/world/address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>

#include <fmt/format.h>

namespace mutirao::world {

namespace {
/// Networks that a public server has no business to name (the registries of RFC 6890).
struct Range {
  std::array<std::uint8_t, 16> prefix;
  unsigned bits;
};
constexpr std::array<Range, 13> kInternalV4{{
    {{0}, 8},              // this network, RFC 791
    {{10}, 8},             // private, RFC 1918
    {{100, 64}, 10},       // shared, RFC 6598
    {{127}, 8},            // loopback, RFC 1122
    {{169, 254}, 16},      // link-local, RFC 3927
    {{172, 16}, 12},       // private, RFC 1918
    {{192, 0, 0}, 24},     // IETF protocol assignments, RFC 6890
    {{192, 0, 2}, 24},     // documentation, RFC 5737
    {{192, 168}, 16},      // private, RFC 1918
    {{198, 18}, 15},       // benchmarking, RFC 2544
    {{198, 51, 100}, 24},  // documentation, RFC 5737
    {{203, 0, 113}, 24},   // documentation, RFC 5737
    {{224}, 3},            // multicast and reserved, RFC 5771, RFC 1112
}};
constexpr std::array<Range, 7> kInternalV6{{
    {{0}, 127},                      // unspecified and loopback, RFC 4291
    {{0x01, 0x00}, 64},              // discard, RFC 6666
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation, RFC 3849
    {{0xfc}, 7},                     // unique local, RFC 4193
    {{0xfe, 0x80}, 10},              // link-local, RFC 4291
    {{0xfe, 0xc0}, 10},              // site-local, RFC 3879
    {{0xff}, 8},                     // multicast, RFC 4291
}};

bool within(ByteView address, Range const& range) noexcept {
  auto const whole = range.bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole, range.prefix.begin())) return false;
  unsigned const rest = range.bits % 8;
  if (rest == 0) return true;
  auto const mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return ((address[whole] ^ range.prefix[whole]) & mask) == 0;
}

/// An IPv4 address that hides in an IPv6 one: mapped (RFC 4291), translated (RFC 6052), 6to4 (RFC
/// 3056).
std::optional<IpAddress> embedded_v4(ByteView v6) noexcept {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  constexpr std::array<std::uint8_t, 12> kTranslated{0, 0x64, 0xff, 0x9b};
  if (std::equal(kMapped.begin(), kMapped.end(), v6.begin()) ||
      std::equal(kTranslated.begin(), kTranslated.end(), v6.begin())) {
    return IpAddress::from_bytes(v6.subspan(12));
  }
  if (v6[0] == 0x20 && v6[1] == 0x02) return IpAddress::from_bytes(v6.subspan(2, 4));
  return std::nullopt;
}
}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> bytes) noexcept {
  IpAddress address;
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

IpAddress IpAddress::v6(std::array<std::uint8_t, 16> bytes) noexcept {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
    return v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress address;
  address.size_ = 16;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::from_bytes(ByteView bytes) noexcept {
  if (bytes.size() == 4) return v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  if (bytes.size() != 16) return std::nullopt;
  std::array<std::uint8_t, 16> copy;
  std::ranges::copy(bytes, copy.begin());
  return v6(copy);
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != text.npos) return std::nullopt;
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  std::ranges::copy(text, terminated.begin());
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.data(), bytes.data()) == 1)
    return from_bytes(ByteView{bytes}.first(4));
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) return v6(bytes);
  return std::nullopt;
}

bool IpAddress::is_loopback() const noexcept {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto byte) { return byte == 0; });
}

bool IpAddress::is_unspecified() const noexcept {
  return std::ranges::all_of(bytes(), [](auto byte) { return byte == 0; });
}

bool IpAddress::is_internal() const noexcept {
  auto const inside = [this](auto const& ranges) {
    return std::ranges::any_of(ranges,
                               [this](Range const& range) { return within(bytes(), range); });
  };
  if (is_v4()) return inside(kInternalV4);
  if (inside(kInternalV6)) return true;
  auto const hidden = embedded_v4(bytes());
  return hidden && hidden->is_internal();
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) noexcept {
  auto const colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  auto host = text.substr(0, colon);
  auto const digits = text.substr(colon + 1);
  bool const bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto const address = IpAddress::parse(host);
  // Without brackets nobody can tell where an IPv6 address ends and the port begins.
  if (!address || bracketed != (host.find(':') != host.npos)) return std::nullopt;
  std::uint16_t port = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return Endpoint{*address, port};
}

std::string Endpoint::to_string() const {
  if (address.is_v4()) return fmt::format("{}:{}", address.to_string(), port);
  return fmt::format("[{}]:{}", address.to_string(), port);
}

}  // namespace mutirao::world

std::size_t std::hash<mutirao::world::Endpoint>::operator()(
    mutirao::world::Endpoint const& endpoint) const noexcept {
  auto const bytes = endpoint.address.bytes();
  std::string_view const text{reinterpret_cast<char const*>(bytes.data()), bytes.size()};
  return std::hash<std::string_view>{}(text) * 31 + endpoint.port;
}
