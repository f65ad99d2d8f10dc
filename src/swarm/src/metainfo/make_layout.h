#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mutirao/swarm/make_torrent.h"

/// The steps of make_torrent(): find the files, lay them out, hash them, describe them.
namespace mutirao::swarm {

/// A file as it was found.
struct SourceFile {
  std::string path;  ///< below the source's folder
  world::FileInfo info;
};

/// What is to be described: one file, or all below a folder.
struct Source {
  std::unique_ptr<world::Directory> folder;
  std::string name;  ///< of the torrent
  bool single = false;
  std::vector<SourceFile> files;  ///< in the order of a file tree (BEP 52)
  std::vector<std::string> skipped;
  std::uint64_t total_size = 0;
};
[[nodiscard]] Result<Source> find_source(world::World& world, std::string const& path);

/// Fails when a file is no more what it was.
[[nodiscard]] Result<void> check_unchanged(Source const& source);

/// Where the files lie in the torrent's space.
struct Layout {
  struct Entry {
    std::size_t file;          ///< in Source::files; padding: unused
    std::uint64_t offset = 0;  ///< of the space
    std::uint64_t length = 0;
    bool pad = false;
  };
  std::vector<Entry> entries;
  std::uint64_t end = 0;
  std::uint32_t piece_length = 0;

  [[nodiscard]] std::uint64_t piece_count() const noexcept {
    return (end + piece_length - 1) / piece_length;
  }
};
[[nodiscard]] Layout lay_out(Source const& source, TorrentFormat format,
                             std::uint32_t piece_length);

/// By size; smaller for a folder of small files, each of which fills its last piece with padding.
[[nodiscard]] std::uint32_t choose_piece_length(Source const& source);

/// The hashes of all pieces, in order; empty where the format has none.
struct PieceHashes {
  std::vector<Sha1Digest> v1;
  std::vector<Sha256Digest> v2;  ///< of a file not longer than a piece: its root
};
[[nodiscard]] Result<PieceHashes> hash_pieces(Source const& source, Layout const& layout,
                                              TorrentFormat format,
                                              std::function<void(MakeProgress)> const& progress);

/// The info dictionary.
[[nodiscard]] Bytes write_info(Source const& source, Layout const& layout,
                               PieceHashes const& hashes, MakeOptions const& options);

/// Root of the entry's file over its piece hashes.
[[nodiscard]] Sha256Digest file_root(Layout const& layout, Layout::Entry const& entry,
                                     PieceHashes const& hashes);
/// The piece hashes of one file.
[[nodiscard]] std::span<Sha256Digest const> pieces_of(Layout const& layout,
                                                      Layout::Entry const& entry,
                                                      PieceHashes const& hashes);

}  // namespace mutirao::swarm
