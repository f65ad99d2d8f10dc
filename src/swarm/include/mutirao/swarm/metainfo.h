#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/swarm/ids.h"

namespace mutirao::swarm {

struct TorrentFile {
  std::string path;  ///< relative, '/'-separated, already safe (see safe_path.h); the name first
                     ///< when there are folders
  std::uint64_t length = 0;  ///< bytes
  std::uint64_t offset = 0;  ///< of its first byte in the torrent's space
  bool pad = false;          ///< zeros that align the next file (BEP 47); never on disk
  bool executable = false;   ///< BEP 47
  bool symlink = false;  ///< BEP 47; listed, never on disk: a link of a stranger may lead anywhere
  std::optional<Sha256Digest> pieces_root;  ///< v2, absent for an empty file

  [[nodiscard]] bool on_disk() const noexcept { return !pad && !symlink; }
};

/// How strictly a .torrent is read.
struct ParseOptions {
  /// A published v2 .torrent is not valid without its piece layers (BEP 52). One that a node keeps
  /// for itself while they still arrive from peers is read with this off.
  bool layers_required = true;
};

/// A run of bytes of one file.
struct FileSlice {
  FileIndex file;
  std::uint64_t offset;  ///< in the file
  std::uint64_t length;
};

/// What a .torrent says: an immutable value, shared by pointer.
///
/// A torrent is one space of bytes, cut into pieces of equal length. In v1 the files lie in it end
/// to end; in v2 and hybrid torrents each file begins at a piece boundary, with padding between (a
/// pad file where the torrent has them, else none that is listed). Offsets in this space name bytes
/// everywhere in the module. Padding reads as zeros.
class Metainfo {
 public:
  static constexpr std::uint64_t kBytesMax = 10 << 20;  ///< of a .torrent
  static constexpr std::size_t kPiecesMax = 2'000'000;
  static constexpr std::size_t kFilesMax = 200'000;
  static constexpr std::uint32_t kPieceLengthMax = 256 << 20;  ///< bytes
  static constexpr std::size_t kUrlsMax = 1000;                ///< trackers, and as many web seeds

  /// A whole .torrent (BEP 3, 12, 27, 47, 52). Every inconsistency is refused with its reason.
  [[nodiscard]] static Result<std::shared_ptr<Metainfo const>> parse(ByteView torrent,
                                                                     ParseOptions options = {});
  /// An info dictionary alone, from peers (BEP 9); checked against `expected` first. Piece layers
  /// of v2 files are then unknown until with_piece_layer(). Each tracker is a tier of its own.
  [[nodiscard]] static Result<std::shared_ptr<Metainfo const>> from_info(
      ByteView info, InfoHash const& expected, std::vector<std::string> trackers,
      std::vector<std::string> web_seeds);

  [[nodiscard]] InfoHash const& info_hash() const noexcept;
  [[nodiscard]] std::string const& name() const noexcept;
  [[nodiscard]] bool is_private() const noexcept;  ///< BEP 27
  [[nodiscard]] bool has_v1() const noexcept;
  [[nodiscard]] bool has_v2() const noexcept;
  [[nodiscard]] std::uint32_t piece_length() const noexcept;  ///< bytes
  [[nodiscard]] std::uint32_t piece_count() const noexcept;
  /// End of the space; padding between files included.
  [[nodiscard]] std::uint64_t space_size() const noexcept;
  /// Bytes of content, padding excluded.
  [[nodiscard]] std::uint64_t total_size() const noexcept;
  [[nodiscard]] std::span<TorrentFile const> files() const noexcept;
  /// Bytes of a piece on the wire. v1 and hybrid: all pieces but the last are full, pad bytes
  /// included. v2 only: a file's last piece ends with the file.
  [[nodiscard]] std::uint32_t piece_size(PieceIndex piece) const noexcept;
  /// The one file that a v2 or hybrid piece belongs to, never padding. In v1 the file of its first
  /// byte.
  [[nodiscard]] FileIndex file_of_piece(PieceIndex piece) const noexcept;
  /// Bytes of the piece that are content in v2: piece_size without the padding at its end. In v1
  /// the same as piece_size.
  [[nodiscard]] std::uint32_t content_size(PieceIndex piece) const noexcept;

  [[nodiscard]] std::optional<Sha1Digest> v1_digest(PieceIndex piece) const noexcept;
  /// Root of the piece's subtree, `piece_length` wide; for a file of one piece or less, of the
  /// whole file: see file tree rules in BEP 52. Absent while the piece layer is unknown.
  [[nodiscard]] std::optional<Sha256Digest> v2_digest(PieceIndex piece) const noexcept;
  /// True when v2_digest is the root of a tree only as wide as the file's own blocks (the file is
  /// not longer than a piece).
  [[nodiscard]] bool v2_digest_is_file_root(PieceIndex piece) const noexcept;
  /// A copy that knows one more piece layer; refuses one that does not lead to the file's root.
  /// Files of equal content share it.
  [[nodiscard]] Result<std::shared_ptr<Metainfo const>> with_piece_layer(
      FileIndex file, std::vector<Sha256Digest> layer) const;
  /// Files longer than a piece whose layer is unknown.
  [[nodiscard]] std::vector<FileIndex> missing_piece_layers() const;
  [[nodiscard]] std::span<Sha256Digest const> piece_layer(FileIndex file) const noexcept;

  /// Trackers by tier (BEP 12), not shuffled; announce alone is one tier.
  [[nodiscard]] std::vector<std::vector<std::string>> const& tracker_tiers() const noexcept;
  [[nodiscard]] std::vector<std::string> const& web_seeds() const noexcept;  ///< BEP 19
  [[nodiscard]] std::string const& comment() const noexcept;

  /// The info dictionary as it is hashed, and the whole .torrent with it.
  [[nodiscard]] ByteView info() const noexcept;
  [[nodiscard]] Bytes to_torrent() const;
  /// magnet:?xt=... with name and trackers (BEP 9, 53).
  [[nodiscard]] std::string to_magnet() const;

  struct Parts;
  explicit Metainfo(Parts parts);  ///< for parse and make only
  ~Metainfo();

 private:
  friend std::vector<FileSlice> slices(Metainfo const& metainfo, std::uint64_t offset,
                                       std::uint64_t length);
  std::unique_ptr<Parts const> parts_;
};

/// Which files hold [offset, offset + length) of the torrent's space, in order. Listed pad files
/// are among them; the unlisted padding of v2-only torrents, and what lies behind the end, is
/// skipped. Logarithmic in the files.
[[nodiscard]] std::vector<FileSlice> slices(Metainfo const& metainfo, std::uint64_t offset,
                                            std::uint64_t length);

}  // namespace mutirao::swarm
