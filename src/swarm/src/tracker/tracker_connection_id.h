#pragma once

#include <cstdint>

#include "mutirao/world/address.h"

#include "tracker/tracker_siphash.h"

namespace mutirao::swarm {

/// Connection ids of BEP 15 without any state: a keyed hash of the client's address and of a window
/// of two minutes. Whoever presents one has received it at that address, at most two windows ago.
/// The port is left out: address translators change it between two packets.
class ConnectionIds {
 public:
  static constexpr std::uint32_t kWindowSeconds = 120;

  explicit ConnectionIds(SipKey key) noexcept : key_{key} {}

  [[nodiscard]] std::uint64_t make(world::IpAddress const& client,
                                   std::uint32_t now_s) const noexcept {
    return of_window(client, now_s / kWindowSeconds);
  }
  [[nodiscard]] bool check(std::uint64_t id, world::IpAddress const& client,
                           std::uint32_t now_s) const noexcept {
    auto const window = now_s / kWindowSeconds;
    return id == of_window(client, window) || (window > 0 && id == of_window(client, window - 1));
  }

 private:
  [[nodiscard]] std::uint64_t of_window(world::IpAddress const& client,
                                        std::uint32_t window) const noexcept {
    std::array<std::uint8_t, 20> input{};
    auto const address = client.bytes();
    std::copy(address.begin(), address.end(), input.begin() + 4);
    base::store_be<std::uint32_t>(input, window);
    return siphash(key_, ByteView{input}.first(4 + address.size()));
  }

  SipKey key_;
};

}  // namespace mutirao::swarm
