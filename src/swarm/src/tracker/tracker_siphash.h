#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "mutirao/base/bytes.h"

namespace mutirao::swarm {

using SipKey = std::array<std::uint64_t, 2>;

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for short inputs. Without the key
/// nobody can predict a value (connection ids) or find inputs that collide (hash tables fed by
/// strangers).
[[nodiscard]] inline std::uint64_t siphash(SipKey const& key, ByteView input) noexcept {
  std::uint64_t v0 = 0x736f6d6570736575 ^ key[0];
  std::uint64_t v1 = 0x646f72616e646f6d ^ key[1];
  std::uint64_t v2 = 0x6c7967656e657261 ^ key[0];
  std::uint64_t v3 = 0x7465646279746573 ^ key[1];
  auto const round = [&] {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  };
  auto const word = [](ByteView bytes) {  // little-endian, as the paper defines it
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size() < 8 ? bytes.size() : 8);
    if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
    return value;
  };
  auto const length = static_cast<std::uint64_t>(input.size());
  for (; input.size() >= 8; input = input.subspan(8)) {
    auto const m = word(input);
    v3 ^= m;
    round();
    round();
    v0 ^= m;
  }
  auto const last = (length << 56) | (input.empty() ? 0 : word(input));
  v3 ^= last;
  round();
  round();
  v0 ^= last;
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace mutirao::swarm
