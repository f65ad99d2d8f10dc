#include <algorithm>

#include "mutirao/swarm/hash.h"

#include "protocol/message.h"

namespace mutirao::swarm {
namespace {

/// What of the address counts: its /24, or its /64, so that neighbours get the same set and nobody
/// gains by changing address inside a network.
Bytes network_part(world::IpAddress const& address) {
  ByteView const bytes = address.bytes();
  Bytes network(bytes.begin(), bytes.end());
  std::size_t const kept = address.is_v4() ? 3 : 8;
  std::fill(network.begin() + static_cast<std::ptrdiff_t>(kept), network.end(), std::uint8_t{0});
  return network;
}

}  // namespace

std::vector<PieceIndex> allowed_fast_set(world::IpAddress const& address,
                                         Sha1Digest const& info_hash, std::uint32_t piece_count,
                                         std::size_t count) {
  count = std::min<std::size_t>(count, piece_count);
  std::vector<PieceIndex> set;
  set.reserve(count);
  Bytes seed = network_part(address);
  seed.insert(seed.end(), info_hash.begin(), info_hash.end());
  Sha1Digest x = sha1(seed);
  // As in BEP 6: five indices of four bytes from each digest. The digests run through a
  // pseudo-random cycle, so this ends when nearly all pieces are asked for, too: a few draws for
  // each are enough.
  while (set.size() < count) {
    for (std::size_t i = 0; i + 4 <= x.size() && set.size() < count; i += 4) {
      PieceIndex const piece{base::load_be<std::uint32_t>(ByteView{x}.subspan(i)) % piece_count};
      if (std::ranges::find(set, piece) == set.end()) set.push_back(piece);
    }
    x = sha1(x);
  }
  return set;
}

}  // namespace mutirao::swarm
