#include "torrent/peer_priority.h"

#include <algorithm>
#include <array>

#include "hash/crc32c.h"

namespace mutirao::swarm {
namespace {

/// BEP 40: the nearer two addresses are, the more of them counts: one byte more than they share, at
/// least the /16 of IPv4 and the /48 of IPv6.
std::size_t bytes_that_count(ByteView a, ByteView b) {
  std::size_t const least = a.size() == 4 ? 2 : 6;
  auto const shared = static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  return shared < least ? least : std::min(shared + 1, a.size());
}

/// Of the others every second bit is dropped, as BEP 40 has it.
void mask_from(std::span<std::uint8_t> bytes, std::size_t kept) {
  for (std::size_t i = kept; i < bytes.size(); ++i) bytes[i] &= 0x55;
}

std::uint32_t crc_of_sorted(ByteView a, ByteView b) {
  if (std::ranges::lexicographical_compare(b, a)) std::swap(a, b);
  return crc32c(b, crc32c(a));
}

}  // namespace

std::uint32_t peer_priority(world::Endpoint const& ours, world::Endpoint const& theirs) noexcept {
  if (ours.address == theirs.address) {
    std::array<std::uint8_t, 2> a, b;
    base::store_be<std::uint16_t>(a, ours.port);
    base::store_be<std::uint16_t>(b, theirs.port);
    return crc_of_sorted(a, b);
  }
  // Peers of two families can't see each other's whole address; any fixed order does.
  if (ours.address.is_v4() != theirs.address.is_v4())
    return crc_of_sorted(ours.address.bytes(), theirs.address.bytes());

  std::array<std::uint8_t, 16> a{}, b{};
  std::size_t const size = ours.address.bytes().size();
  std::ranges::copy(ours.address.bytes(), a.begin());
  std::ranges::copy(theirs.address.bytes(), b.begin());
  std::size_t const kept = bytes_that_count(ours.address.bytes(), theirs.address.bytes());
  mask_from(std::span{a}.first(size), kept);
  mask_from(std::span{b}.first(size), kept);
  return crc_of_sorted({a.data(), size}, {b.data(), size});
}

}  // namespace mutirao::swarm
