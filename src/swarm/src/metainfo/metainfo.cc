#include "mutirao/swarm/metainfo.h"

#include <algorithm>
#include <bit>

#include "mutirao/base/check.h"
#include "mutirao/base/utf8.h"
#include "mutirao/swarm/merkle.h"

#include "metainfo/metainfo_fields.h"
#include "metainfo/metainfo_parts.h"

namespace mutirao::swarm {
namespace {

/// Position in `occupied` of the last file that begins at or before `offset`.
std::size_t locate(InfoPart const& info, std::uint64_t offset) noexcept {
  auto const after = std::ranges::upper_bound(
      info.occupied, offset, {}, [&](std::uint32_t file) { return info.files[file].offset; });
  return static_cast<std::size_t>(after - info.occupied.begin()) - 1;  // the first one begins at 0
}

}  // namespace

Metainfo::Metainfo(Parts parts) : parts_{std::make_unique<Parts const>(std::move(parts))} {}
Metainfo::~Metainfo() = default;

InfoHash const& Metainfo::info_hash() const noexcept { return parts_->info->hash; }
std::string const& Metainfo::name() const noexcept { return parts_->info->name; }
bool Metainfo::is_private() const noexcept { return parts_->info->is_private; }
bool Metainfo::has_v1() const noexcept { return parts_->info->hash.v1.has_value(); }
bool Metainfo::has_v2() const noexcept { return parts_->info->hash.v2.has_value(); }
std::uint32_t Metainfo::piece_length() const noexcept { return parts_->info->piece_length; }
std::uint32_t Metainfo::piece_count() const noexcept { return parts_->info->piece_count; }
std::uint64_t Metainfo::space_size() const noexcept { return parts_->info->space_size; }
std::uint64_t Metainfo::total_size() const noexcept { return parts_->info->total_size; }
std::span<TorrentFile const> Metainfo::files() const noexcept { return parts_->info->files; }
std::vector<std::vector<std::string>> const& Metainfo::tracker_tiers() const noexcept {
  return parts_->tiers;
}
std::vector<std::string> const& Metainfo::web_seeds() const noexcept { return parts_->web_seeds; }
std::string const& Metainfo::comment() const noexcept { return parts_->comment; }
ByteView Metainfo::info() const noexcept { return parts_->info->bytes; }

FileIndex Metainfo::file_of_piece(PieceIndex piece) const noexcept {
  MUT_ASSERT(piece.value < piece_count());
  std::uint64_t const begin = std::uint64_t{piece.value} * piece_length();
  return FileIndex{parts_->info->occupied[locate(*parts_->info, begin)]};
}

std::uint32_t Metainfo::piece_size(PieceIndex piece) const noexcept {
  if (!has_v1()) return content_size(piece);
  MUT_ASSERT(piece.value < piece_count());
  std::uint64_t const begin = std::uint64_t{piece.value} * piece_length();
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_length(), space_size() - begin));
}

std::uint32_t Metainfo::content_size(PieceIndex piece) const noexcept {
  if (!has_v2()) return piece_size(piece);
  TorrentFile const& file = files()[file_of_piece(piece).value];
  std::uint64_t const begin = std::uint64_t{piece.value} * piece_length() - file.offset;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(piece_length(), file.length - begin));
}

std::optional<Sha1Digest> Metainfo::v1_digest(PieceIndex piece) const noexcept {
  MUT_ASSERT(piece.value < piece_count());
  if (!has_v1()) return std::nullopt;
  Sha1Digest digest;
  std::copy_n(info().begin() + static_cast<std::ptrdiff_t>(parts_->info->v1_digests_at +
                                                           piece.value * digest.size()),
              digest.size(), digest.begin());
  return digest;
}

std::optional<Sha256Digest> Metainfo::v2_digest(PieceIndex piece) const noexcept {
  MUT_ASSERT(piece.value < piece_count());
  if (!has_v2()) return std::nullopt;
  FileIndex const index = file_of_piece(piece);
  TorrentFile const& file = files()[index.value];
  if (file.length <= piece_length()) return file.pieces_root;
  PieceLayer const& layer = parts_->layers[index.value];
  if (!layer) return std::nullopt;
  return (*layer)[piece.value - file.offset / piece_length()];
}

bool Metainfo::v2_digest_is_file_root(PieceIndex piece) const noexcept {
  return has_v2() && files()[file_of_piece(piece).value].length <= piece_length();
}

std::span<Sha256Digest const> Metainfo::piece_layer(FileIndex file) const noexcept {
  MUT_ASSERT(file.value < files().size());
  if (!has_v2() || !parts_->layers[file.value]) return {};
  return *parts_->layers[file.value];
}

std::vector<FileIndex> Metainfo::missing_piece_layers() const {
  std::vector<FileIndex> missing;
  for (std::uint32_t i = 0; i < files().size(); ++i)
    if (needs_layer(files()[i], piece_length()) && !parts_->layers[i]) missing.emplace_back(i);
  return missing;
}

Result<std::shared_ptr<Metainfo const>> Metainfo::with_piece_layer(
    FileIndex file, std::vector<Sha256Digest> layer) const {
  if (file.value >= files().size())
    return fail(Fault::invalid,
                fmt::format("a piece layer for file {} of {}", file.value, files().size()));
  TorrentFile const& described = files()[file.value];
  if (!needs_layer(described, piece_length()))
    return fail(Fault::invalid, fmt::format("{} has no piece layer", base::quoted(described.path)));
  MUT_TRY(check_layer(*parts_->info, file, layer));
  Parts parts = *parts_;
  auto const shared = std::make_shared<std::vector<Sha256Digest> const>(std::move(layer));
  for (std::size_t i = 0; i < files().size(); ++i)
    if (needs_layer(files()[i], piece_length()) &&
        files()[i].pieces_root == described.pieces_root && files()[i].length == described.length)
      parts.layers[i] = shared;
  return std::make_shared<Metainfo const>(std::move(parts));
}

Result<void> check_layer_size(InfoPart const& info, FileIndex index, std::size_t count) {
  TorrentFile const& file = info.files[index.value];
  std::uint64_t const pieces = (file.length + info.piece_length - 1) / info.piece_length;
  if (count == pieces) return {};
  return corrupt("the piece layer of {} has {} hashes; {} bytes in pieces of {} need {}",
                 base::quoted(file.path), count, file.length, info.piece_length, pieces);
}

Result<void> check_layer(InfoPart const& info, FileIndex index,
                         std::span<Sha256Digest const> layer) {
  MUT_TRY(check_layer_size(info, index, layer.size()));
  TorrentFile const& file = info.files[index.value];
  auto const height = static_cast<unsigned>(std::countr_zero(info.piece_length / kBlockBytes));
  if (merkle_root(layer, std::bit_ceil(layer.size()), height) != file.pieces_root)
    return corrupt("the piece layer of {} does not lead to its root", base::quoted(file.path));
  return {};
}

std::vector<FileSlice> slices(Metainfo const& metainfo, std::uint64_t offset,
                              std::uint64_t length) {
  std::vector<FileSlice> found;
  InfoPart const& info = *metainfo.parts_->info;
  if (offset >= info.space_size || length == 0) return found;
  std::uint64_t const end = offset + std::min(length, info.space_size - offset);
  for (std::size_t at = locate(info, offset); at < info.occupied.size(); ++at) {
    TorrentFile const& file = info.files[info.occupied[at]];
    if (file.offset >= end) break;
    std::uint64_t const first = std::max(offset, file.offset);
    std::uint64_t const last = std::min(end, file.offset + file.length);
    // A range can begin in the gap behind a file.
    if (first < last)
      found.push_back({FileIndex{info.occupied[at]}, first - file.offset, last - first});
  }
  return found;
}

}  // namespace mutirao::swarm
