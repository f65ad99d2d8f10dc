#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mutirao/swarm/metainfo.h"
#include "mutirao/wire/bencode.h"

namespace mutirao::swarm {

using PieceLayer = std::shared_ptr<std::vector<Sha256Digest> const>;

/// What an info dictionary says, checked.
struct InfoPart {
  Bytes bytes;  ///< as it is hashed
  InfoHash hash;
  std::string name;
  bool is_private = false;
  std::uint32_t piece_length = 0;
  std::uint32_t piece_count = 0;
  std::uint64_t space_size = 0;
  std::uint64_t total_size = 0;
  std::vector<TorrentFile> files;
  std::vector<std::uint32_t> occupied;  ///< files that are not empty, padding included, by offset
  std::size_t v1_digests_at = 0;        ///< where the value of `pieces` begins in `bytes`; v1 only
};

/// All that a Metainfo knows. The info part is shared between the copies that learn piece layers.
struct Metainfo::Parts {
  std::shared_ptr<InfoPart const> info;
  std::vector<PieceLayer> layers;  ///< by file; v2 only, nullptr where unknown or not needed
  std::vector<std::vector<std::string>> tiers;
  std::vector<std::string> web_seeds;
  std::string comment;
};

/// A file longer than a piece has a layer of one hash a piece.
[[nodiscard]] inline bool needs_layer(TorrentFile const& file,
                                      std::uint32_t piece_length) noexcept {
  return file.pieces_root.has_value() && file.length > piece_length;
}

[[nodiscard]] Result<InfoPart> read_info(wire::BencodeValue info);

/// Fails unless a layer of `count` hashes has one for each piece of the file.
[[nodiscard]] Result<void> check_layer_size(InfoPart const& info, FileIndex file,
                                            std::size_t count);

/// Fails unless the hashes are those of the file's pieces, padded up to its root.
[[nodiscard]] Result<void> check_layer(InfoPart const& info, FileIndex file,
                                       std::span<Sha256Digest const> layer);

}  // namespace mutirao::swarm
