#include "mutirao/swarm/merkle.h"

#include <algorithm>
#include <array>
#include <bit>

#include "mutirao/base/check.h"
#include "mutirao/swarm/hash.h"

namespace mutirao::swarm {
namespace {

static_assert(sizeof(Sha256Digest) == 32,
              "two digests side by side are the message of their parent");

constexpr unsigned kHeightMax = 63;

std::array<Sha256Digest, kHeightMax + 1> make_padding() {
  std::array<Sha256Digest, kHeightMax + 1> padding{};
  for (unsigned height = 1; height <= kHeightMax; ++height)
    padding[height] = merkle_parent(padding[height - 1], padding[height - 1]);
  return padding;
}

/// Replaces a layer of an even number of nodes by the layer above it.
void climb(std::vector<Sha256Digest>& layer) {
  constexpr std::size_t kBatch = 64;
  std::array<ByteView, kBatch> messages;
  std::array<Sha256Digest, kBatch> parents;
  std::size_t const above = layer.size() / 2;
  for (std::size_t first = 0; first < above; first += kBatch) {
    std::size_t const count = std::min(kBatch, above - first);
    for (std::size_t i = 0; i < count; ++i) messages[i] = {layer[2 * (first + i)].data(), 64};
    sha256_many(std::span{messages}.first(count), std::span{parents}.first(count));
    std::copy_n(parents.begin(), count, layer.begin() + static_cast<std::ptrdiff_t>(first));
  }
  layer.resize(above);
}

}  // namespace

Sha256Digest merkle_parent(Sha256Digest const& left, Sha256Digest const& right) {
  std::array<std::uint8_t, 64> message;
  std::ranges::copy(right, std::ranges::copy(left, message.begin()).out);
  return sha256(message);
}

Sha256Digest merkle_padding(unsigned height) {
  static auto const padding = make_padding();
  MUT_ASSERT(height <= kHeightMax);
  return padding[height];
}

Sha256Digest merkle_root(std::span<Sha256Digest const> nodes, std::size_t width,
                         unsigned base_height) {
  MUT_ASSERT(std::has_single_bit(width) && nodes.size() <= width);
  if (nodes.empty())
    return merkle_padding(base_height + static_cast<unsigned>(std::countr_zero(width)));
  std::vector<Sha256Digest> layer{nodes.begin(), nodes.end()};
  for (unsigned height = base_height; width > 1; width /= 2, ++height) {
    // One padding node stands for all that follow it.
    if (layer.size() % 2 != 0) layer.push_back(merkle_padding(height));
    climb(layer);
  }
  return layer.front();
}

Sha256Digest merkle_root_of_leaves(std::span<Sha256Digest const> leaves) {
  return merkle_root(leaves, std::bit_ceil(leaves.size()));
}

bool merkle_verify(std::span<Sha256Digest const> nodes, std::size_t index,
                   std::span<Sha256Digest const> proof, Sha256Digest const& root) {
  if (!std::has_single_bit(nodes.size()) || index % nodes.size() != 0 || proof.size() > kHeightMax)
    return false;
  Sha256Digest hash = merkle_root(nodes, nodes.size());
  std::size_t position = index / nodes.size();
  for (Sha256Digest const& uncle : proof) {
    hash = position % 2 == 0 ? merkle_parent(hash, uncle) : merkle_parent(uncle, hash);
    position /= 2;
  }
  return position == 0 && hash == root;
}

}  // namespace mutirao::swarm
