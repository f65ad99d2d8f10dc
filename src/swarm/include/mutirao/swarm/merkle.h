#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/swarm/ids.h"

/// The hash trees of BEP 52: SHA-256 over 16 KiB leaves, padded with zero hashes to a power of two.
namespace mutirao::swarm {

/// SHA-256 of two children.
[[nodiscard]] Sha256Digest merkle_parent(Sha256Digest const& left, Sha256Digest const& right);

/// Root of a subtree of zero-hash leaves, `height` levels above the leaves.
[[nodiscard]] Sha256Digest merkle_padding(unsigned height);

/// Root over `nodes`, which lie `base_height` levels above the leaves; missing ones up to `width`
/// (a power of two) are padding.
[[nodiscard]] Sha256Digest merkle_root(std::span<Sha256Digest const> nodes, std::size_t width,
                                       unsigned base_height = 0);

/// Root over leaves, width the next power of two.
[[nodiscard]] Sha256Digest merkle_root_of_leaves(std::span<Sha256Digest const> leaves);

/// Checks that `nodes` (a power of two of them, the first with index `index` in its layer) lead to
/// `root` by the uncle hashes `proof`, lowest first (BEP 52, "hashes").
[[nodiscard]] bool merkle_verify(std::span<Sha256Digest const> nodes, std::size_t index,
                                 std::span<Sha256Digest const> proof, Sha256Digest const& root);

}  // namespace mutirao::swarm
