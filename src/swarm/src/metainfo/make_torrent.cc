#include "mutirao/swarm/make_torrent.h"

#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "mutirao/swarm/merkle.h"

#include "metainfo/make_layout.h"
#include "metainfo/metainfo_parts.h"

namespace mutirao::swarm {
namespace {

using wire::BencodeWriter;

std::vector<std::string_view> split_names(std::string_view path) {
  std::vector<std::string_view> names;
  while (true) {
    std::size_t const slash = path.find('/');
    names.push_back(path.substr(0, slash));
    if (slash == path.npos) return names;
    path.remove_prefix(slash + 1);
  }
}

void write_v1_files(BencodeWriter& writer, Source const& source, Layout const& layout) {
  writer.key("files").begin_list();
  for (Layout::Entry const& entry : layout.entries) {
    bool const executable = !entry.pad && source.files[entry.file].info.executable;
    writer.begin_dictionary();
    if (entry.pad || executable) writer.key("attr").string(entry.pad ? "p" : "x");
    writer.key("length").integer(static_cast<std::int64_t>(entry.length));
    writer.key("path").begin_list();
    if (entry.pad) {
      writer.string(".pad").string(fmt::format("{}", entry.length));
    } else {
      for (std::string_view const name : split_names(source.files[entry.file].path))
        writer.string(name);
    }
    writer.end().end();
  }
  writer.end();
}

/// The paths come in tree order: folders are left and entered where a path parts from the one
/// before.
void write_tree(BencodeWriter& writer, Source const& source, Layout const& layout,
                PieceHashes const& hashes) {
  writer.key("file tree").begin_dictionary();
  std::vector<std::string_view> open;
  for (Layout::Entry const& entry : layout.entries) {
    if (entry.pad) continue;
    SourceFile const& file = source.files[entry.file];
    auto const names = split_names(file.path);
    std::size_t common = 0;
    while (common < open.size() && common + 1 < names.size() && open[common] == names[common])
      ++common;
    for (; open.size() > common; open.pop_back()) writer.end();
    for (; open.size() + 1 < names.size(); open.push_back(names[open.size()]))
      writer.key(names[open.size()]).begin_dictionary();
    writer.key(names.back()).begin_dictionary().key("").begin_dictionary();
    if (file.info.executable) writer.key("attr").string("x");
    writer.key("length").integer(static_cast<std::int64_t>(entry.length));
    if (entry.length > 0) writer.key("pieces root").bytes(file_root(layout, entry, hashes));
    writer.end().end();
  }
  for (; !open.empty(); open.pop_back()) writer.end();
  writer.end();
}

Result<std::uint32_t> piece_length_of(Source const& source, MakeOptions const& options) {
  if (options.piece_length == 0) return choose_piece_length(source);
  bool const valid = options.piece_length >= kBlockBytes &&
                     std::has_single_bit(options.piece_length) &&
                     options.piece_length <= Metainfo::kPieceLengthMax;
  if (valid) return options.piece_length;
  return fail(
      Fault::invalid, fmt::format("a piece length of {} bytes", options.piece_length),
      fmt::format("use a power of two from {} to {}", kBlockBytes, Metainfo::kPieceLengthMax));
}

Result<std::shared_ptr<Metainfo const>> describe(Source const& source, Layout const& layout,
                                                 PieceHashes const& hashes, MakeOptions options) {
  Bytes const info = write_info(source, layout, hashes, options);
  auto const document =
      MUT_TRY(wire::BencodeDocument::decode(info, {.bytes_max = Metainfo::kBytesMax}));
  Metainfo::Parts parts;
  parts.info = std::make_shared<InfoPart const>(MUT_TRY(read_info(document.root())));
  if (!hashes.v2.empty()) {
    parts.layers.resize(layout.entries.size());
    for (std::size_t i = 0; i < layout.entries.size(); ++i) {
      if (!needs_layer(parts.info->files[i], layout.piece_length)) continue;
      auto const pieces = pieces_of(layout, layout.entries[i], hashes);
      parts.layers[i] =
          std::make_shared<std::vector<Sha256Digest> const>(pieces.begin(), pieces.end());
    }
  }
  for (auto& tier : options.tracker_tiers)
    if (!tier.empty()) parts.tiers.push_back(std::move(tier));
  parts.web_seeds = std::move(options.web_seeds);
  parts.comment = std::move(options.comment);
  auto metainfo = std::make_shared<Metainfo const>(std::move(parts));
  if (std::size_t const bytes = metainfo->to_torrent().size(); bytes > Metainfo::kBytesMax)
    return fail(Fault::exhausted,
                fmt::format("the .torrent has {} bytes, more than the {} that are read", bytes,
                            Metainfo::kBytesMax));
  return metainfo;
}

}  // namespace

std::span<Sha256Digest const> pieces_of(Layout const& layout, Layout::Entry const& entry,
                                        PieceHashes const& hashes) {
  std::uint64_t const count = (entry.length + layout.piece_length - 1) / layout.piece_length;
  return std::span{hashes.v2}.subspan(entry.offset / layout.piece_length, count);
}

Sha256Digest file_root(Layout const& layout, Layout::Entry const& entry,
                       PieceHashes const& hashes) {
  auto const pieces = pieces_of(layout, entry, hashes);
  if (pieces.size() == 1) return pieces.front();
  return merkle_root(pieces, std::bit_ceil(pieces.size()),
                     static_cast<unsigned>(std::countr_zero(layout.piece_length / kBlockBytes)));
}

Bytes write_info(Source const& source, Layout const& layout, PieceHashes const& hashes,
                 MakeOptions const& options) {
  bool const v1 = options.format != TorrentFormat::v2;
  bool const v2 = options.format != TorrentFormat::v1;
  BencodeWriter writer;
  writer.begin_dictionary();
  if (v1 && source.single && source.files.front().info.executable) writer.key("attr").string("x");
  if (v2) write_tree(writer, source, layout, hashes);
  if (v1 && !source.single) write_v1_files(writer, source, layout);
  if (v1 && source.single)
    writer.key("length").integer(static_cast<std::int64_t>(source.total_size));
  if (v2) writer.key("meta version").integer(2);
  writer.key("name").string(source.name);
  writer.key("piece length").integer(layout.piece_length);
  if (v1)
    writer.key("pieces").bytes({hashes.v1.front().data(), hashes.v1.size() * sizeof(Sha1Digest)});
  if (options.is_private) writer.key("private").integer(1);
  writer.end();
  return std::move(writer).finish();
}

Result<MadeTorrent> make_torrent(world::World& world, std::string const& path, MakeOptions options,
                                 std::function<void(MakeProgress)> progress) {
  auto source = MUT_TRY(find_source(world, path));
  auto const piece_length = MUT_TRY(piece_length_of(source, options));
  Layout const layout = lay_out(source, options.format, piece_length);
  if (layout.piece_count() > Metainfo::kPiecesMax)
    return fail(Fault::exhausted,
                fmt::format("{} pieces; at most {} are possible", layout.piece_count(),
                            Metainfo::kPiecesMax),
                "use longer pieces");
  auto hashes = hash_pieces(source, layout, options.format, progress);
  bool const stopped = !hashes && (hashes.error().fault == Fault::cancelled ||
                                   hashes.error().fault == Fault::timed_out);
  // Whatever went wrong with a file that changed meanwhile, the change is what a person wants to
  // know.
  if (!stopped) MUT_TRY(check_unchanged(source));
  if (!hashes) return std::unexpected{std::move(hashes).error()};
  auto described = describe(source, layout, *hashes, std::move(options));
  if (!described)
    return std::unexpected{
        std::move(described).error().with_mend("share fewer files at once, or use longer pieces")};
  return MadeTorrent{*std::move(described), std::move(source.skipped)};
}

}  // namespace mutirao::swarm
