#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "mutirao/world/address.h"

#include "random.h"

namespace mutirao::sim {

[[nodiscard]] inline std::uint64_t hash_of(world::IpAddress const& address) noexcept {
  std::uint64_t hash = address.is_v4() ? 4 : 6;
  std::uint64_t word = 0;
  for (auto const byte : address.bytes()) {
    word = (word << 8) | byte;
    if (word >> 56 != 0) hash = mix(hash ^ std::exchange(word, 0));
  }
  return mix(hash ^ word);
}

[[nodiscard]] inline std::uint64_t hash_of(world::Endpoint const& endpoint) noexcept {
  return mix(hash_of(endpoint.address) + endpoint.port);
}

/// For tables that are looked up and never iterated: their order is not part of a run.
struct AddressHash {
  std::size_t operator()(world::IpAddress const& address) const noexcept {
    return hash_of(address);
  }
  std::size_t operator()(world::Endpoint const& endpoint) const noexcept {
    return hash_of(endpoint);
  }
};

}  // namespace mutirao::sim
