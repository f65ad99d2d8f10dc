// The info dictionary: what kind of torrent it describes, and whether its parts agree.
#include <algorithm>
#include <bit>

#include "mutirao/base/utf8.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/safe_path.h"

#include "metainfo/metainfo_fields.h"
#include "metainfo/metainfo_parts.h"

namespace mutirao::swarm {
namespace {

using wire::BencodeValue;

/// BEP 52: asked before all else, so that a later version is not told as a broken file.
Result<bool> read_is_v2(BencodeValue info) {
  if (!info.find("meta version")) {
    if (info.find("file tree")) return corrupt("'file tree' is present without 'meta version'");
    return false;
  }
  std::int64_t const version = MUT_TRY(read_integer(info, "meta version", "meta version"));
  if (version == 2) return true;
  if (version > 2)
    return fail(Fault::unsupported,
                fmt::format("'meta version' is {}, newer than what is understood (2)", version));
  return corrupt("'meta version' is {}, which no version of the protocol uses", version);
}

Result<std::uint32_t> read_piece_length(BencodeValue info, bool v2) {
  std::int64_t const length = MUT_TRY(read_integer(info, "piece length", "piece length"));
  if (length <= 0) return corrupt("'piece length' is {}; it must be positive", length);
  if (length > Metainfo::kPieceLengthMax)
    return too_large("'piece length' is {}; at most {} bytes are accepted", length,
                     Metainfo::kPieceLengthMax);
  auto const bytes = static_cast<std::uint32_t>(length);
  if (v2 && (bytes < kBlockBytes || !std::has_single_bit(bytes)))
    return corrupt("'piece length' is {}; v2 needs a power of two of at least {}", length,
                   kBlockBytes);
  return bytes;
}

Result<std::string> read_name(BencodeValue info) {
  std::string_view const name = MUT_TRY(read_text(info, "name", "name"));
  auto safe = safe_path(std::span{&name, 1});
  if (!safe) return std::unexpected{std::move(safe).error().during("'name'")};
  return safe;
}

Result<std::uint32_t> count_pieces(std::uint64_t end, std::uint32_t piece_length) {
  std::uint64_t const count = (end + piece_length - 1) / piece_length;
  if (count > Metainfo::kPiecesMax)
    return too_large("{} bytes in pieces of {} make {} pieces; at most {} are accepted", end,
                     piece_length, count, Metainfo::kPiecesMax);
  return static_cast<std::uint32_t>(count);
}

Result<void> read_v1_digests(BencodeValue info, InfoPart& part) {
  std::string_view const pieces = MUT_TRY(read_string(info, "pieces", "pieces"));
  if (pieces.size() % sizeof(Sha1Digest) != 0)
    return corrupt("'pieces' has {} bytes, which is not a multiple of {}", pieces.size(),
                   sizeof(Sha1Digest));
  if (pieces.size() / sizeof(Sha1Digest) != part.piece_count)
    return corrupt("'pieces' has {} hashes; {} bytes in pieces of {} need {}",
                   pieces.size() / sizeof(Sha1Digest), part.space_size, part.piece_length,
                   part.piece_count);
  part.v1_digests_at =
      static_cast<std::size_t>(base::view_of(pieces).data() - info.encoded().data());
  return {};
}

/// BEP 52, "Upgrade Path": names, order and piece alignment must be the same in both, else the two
/// hashes name different content. Gives the v1 list, which has the padding, the roots of v2.
Result<FileList> merge(FileList v1, FileList const& v2, std::uint32_t piece_length) {
  auto next = v2.files.begin();
  for (TorrentFile& file : v1.files) {
    if (file.pad) continue;
    if (next == v2.files.end())
      return corrupt("{} is listed in v1 and not in v2", base::quoted(file.path));
    if (file.path != next->path)
      return corrupt("v1 lists {} where v2 lists {}", base::quoted(file.path),
                     base::quoted(next->path));
    if (file.length != next->length)
      return corrupt("{} has {} bytes in v1 and {} in v2", base::quoted(file.path), file.length,
                     next->length);
    if (file.symlink != next->symlink)
      return corrupt("{} is a symbolic link in only one of v1 and v2", base::quoted(file.path));
    if (file.length > 0 && file.offset != next->offset)
      return corrupt("{} begins at byte {} in v1 and at {} in v2", base::quoted(file.path),
                     file.offset, next->offset);
    file.pieces_root = next->pieces_root;
    file.executable |= next->executable;
    ++next;
  }
  if (next != v2.files.end())
    return corrupt("{} is listed in v2 and not in v1", base::quoted(next->path));
  auto const v1_pieces = (v1.end + piece_length - 1) / piece_length;
  auto const v2_pieces = (v2.end + piece_length - 1) / piece_length;
  if (v1_pieces != v2_pieces) return corrupt("v1 has {} pieces and v2 {}", v1_pieces, v2_pieces);
  return v1;
}

Result<FileList> read_files(BencodeValue info, InfoPart const& part, bool v1, bool v2) {
  if (!v2) return read_v1_files(info, part.name);
  FileList tree = MUT_TRY(read_v2_files(info, part.name, part.piece_length));
  if (!v1) return tree;
  return merge(MUT_TRY(read_v1_files(info, part.name)), tree, part.piece_length);
}

Result<void> lay_out(FileList list, InfoPart& part) {
  part.space_size = list.end;
  part.piece_count = MUT_TRY(count_pieces(list.end, part.piece_length));
  std::vector<std::string> paths;
  for (std::uint32_t i = 0; i < list.files.size(); ++i) {
    TorrentFile const& file = list.files[i];
    if (file.length > 0) part.occupied.push_back(i);
    if (file.pad) continue;
    part.total_size += file.length;
    paths.push_back(file.path);
  }
  if (part.total_size == 0) return corrupt("the files are all empty: there is nothing to transfer");
  MUT_TRY(check_collisions(paths));
  part.files = std::move(list.files);
  return {};
}

}  // namespace

Result<InfoPart> read_info(BencodeValue info) {
  if (!info.is_dictionary()) return corrupt("'info' is not a dictionary");
  bool const v2 = MUT_TRY(read_is_v2(info));
  bool const v1 = info.find("pieces").has_value();
  if (!v1 && !v2) return corrupt("neither 'pieces' nor 'meta version' is present");
  InfoPart part;
  part.piece_length = MUT_TRY(read_piece_length(info, v2));
  part.name = MUT_TRY(read_name(info));
  part.is_private = info.integer("private") == 1;
  MUT_TRY(lay_out(MUT_TRY(read_files(info, part, v1, v2)), part));
  if (v1) {
    MUT_TRY(read_v1_digests(info, part));
    part.hash.v1 = sha1(info.encoded());
  }
  if (v2) part.hash.v2 = sha256(info.encoded());
  part.bytes.assign(info.encoded().begin(), info.encoded().end());
  return part;
}

}  // namespace mutirao::swarm
