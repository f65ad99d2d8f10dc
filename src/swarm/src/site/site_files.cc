#include "site/site_files.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "site/site_html.h"

namespace mutirao::swarm {
namespace {

constexpr std::size_t kChunkBytes = 256 << 10;
constexpr Duration kReadPatience = std::chrono::seconds{60};

struct MediaType {
  std::string_view extension;
  std::string_view type;
};
/// What a browser may show itself: none of these can run a script. Everything else is a download.
constexpr std::array kShown{
    MediaType{"txt", "text/plain; charset=utf-8"},
    MediaType{"md", "text/plain; charset=utf-8"},
    MediaType{"log", "text/plain; charset=utf-8"},
    MediaType{"png", "image/png"},
    MediaType{"jpg", "image/jpeg"},
    MediaType{"jpeg", "image/jpeg"},
    MediaType{"gif", "image/gif"},
    MediaType{"webp", "image/webp"},
    MediaType{"avif", "image/avif"},
    MediaType{"mp4", "video/mp4"},
    MediaType{"webm", "video/webm"},
    MediaType{"mp3", "audio/mpeg"},
    MediaType{"ogg", "audio/ogg"},
    MediaType{"opus", "audio/ogg"},
    MediaType{"flac", "audio/flac"},
    MediaType{"wav", "audio/wav"},
    MediaType{"m4a", "audio/mp4"},
};

MediaType const* shown_type(std::string_view path) {
  auto const dot = path.rfind('.');
  if (dot == std::string_view::npos) return nullptr;
  std::string extension{path.substr(dot + 1)};
  std::ranges::transform(extension, extension.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  auto const found = std::ranges::find(kShown, std::string_view{extension}, &MediaType::extension);
  return found == kShown.end() ? nullptr : &*found;
}

std::string_view last_segment(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// The hash of the content itself where the torrent has one for each file.
std::string entity_tag(SitePlace const& place, TorrentFile const& file) {
  if (file.pieces_root) return fmt::format("\"{}\"", base::to_hex(*file.pieces_root));
  return fmt::format("\"{}-{}\"", place.id, place.file->value);
}

bool matches_tag(std::string_view field, std::string_view tag) {
  for (;;) {
    auto const comma = std::min(field.find(','), field.size());
    auto entry = field.substr(0, comma);
    while (entry.starts_with(' ')) entry.remove_prefix(1);
    while (entry.ends_with(' ')) entry.remove_suffix(1);
    if (entry.starts_with("W/")) entry.remove_prefix(2);
    if (entry == tag || entry == "*") return true;
    if (comma == field.size()) return false;
    field.remove_prefix(comma + 1);
  }
}

wire::HttpFields file_fields(SitePlace const& place, TorrentFile const& file, bool download) {
  auto const* const shown = download ? nullptr : shown_type(file.path);
  wire::HttpFields fields;
  fields.add("Content-Type", std::string{shown ? shown->type : "application/octet-stream"});
  fields.add("Content-Disposition",
             content_disposition(shown ? "inline" : "attachment", last_segment(file.path)));
  // A stranger's file shares our origin: whatever it is, it runs nothing.
  fields.add(
      "Content-Security-Policy",
      "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox");
  fields.add("X-Content-Type-Options", "nosniff");
  fields.add("Accept-Ranges", "bytes");
  fields.add("ETag", entity_tag(place, file));
  fields.add("Cache-Control",
             "no-cache");  // kept, but asked for again: another torrent may get this name
  return fields;
}

std::optional<FileIndex> find_file(Metainfo const& metainfo, std::string_view path) {
  auto const files = metainfo.files();
  // Pad files too: a client that knows nothing of BEP 47 asks a web seed for them.
  auto const found = std::ranges::find(files, path, &TorrentFile::path);
  if (found == files.end()) return std::nullopt;
  return FileIndex{static_cast<std::uint32_t>(found - files.begin())};
}

bool has_folder(Metainfo const& metainfo, std::string_view folder) {
  return std::ranges::any_of(metainfo.files(), [&](TorrentFile const& file) {
    return !file.pad && file.path.size() > folder.size() && file.path.starts_with(folder) &&
           file.path[folder.size()] == '/';
  });
}

std::optional<SitePlace> place_in(TorrentId const& id, std::shared_ptr<Metainfo const> metainfo,
                                  std::string_view path, std::string prefix) {
  if (auto const file = find_file(*metainfo, path))
    return SitePlace{id, std::move(metainfo), std::move(prefix), file, {}};
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty() || !has_folder(*metainfo, path)) return std::nullopt;
  return SitePlace{id, std::move(metainfo), std::move(prefix), std::nullopt, std::string{path}};
}

}  // namespace

std::optional<SitePlace> find_site_place(SiteSource const& source, std::string_view path) {
  auto const slash = std::min(path.find('/'), path.size());
  auto const first = path.substr(0, slash);
  auto const rest = path.substr(std::min(slash + 1, path.size()));
  auto torrents = source.list();
  std::ranges::sort(torrents, {}, &TorrentStatus::id);
  for (auto const& torrent : torrents) {
    auto metainfo = source.metainfo(torrent.id);
    if (!metainfo) continue;
    if (torrent.id == first)
      return place_in(torrent.id, *std::move(metainfo), rest,
                      fmt::format("/files/{}/", torrent.id));
    if ((*metainfo)->name() != first) continue;
    if (auto place = place_in(torrent.id, *std::move(metainfo), path, "/files/")) return place;
  }
  return std::nullopt;
}

Result<void> send_site_file(world::World& world, SiteSource& source, SitePlace const& place,
                            net::HttpServerRequest const& request, net::HttpResponder& responder) {
  auto const& file = place.metainfo->files()[place.file->value];
  auto const tag = entity_tag(place, file);
  auto fields = file_fields(place, file, request.target.find("download").has_value());
  auto const& asked = request.head.fields;
  if (auto const known = asked.find("If-None-Match"); known && matches_tag(*known, tag))
    return responder.send(304, std::move(fields), {});

  auto range = asked.find("Range");
  // A part of another version must not be glued to this one (RFC 9110 §13.1.5).
  if (auto const condition = asked.find("If-Range"); condition && *condition != tag) range.reset();
  auto const answer = range ? wire::parse_http_range(*range, file.length) : wire::HttpRangeAnswer{};
  if (answer.kind == wire::HttpRangeAnswer::Kind::unsatisfiable) {
    fields.add("Content-Range", fmt::format("bytes */{}", file.length));
    return responder.send(416, std::move(fields), {});
  }
  bool const part = answer.kind == wire::HttpRangeAnswer::Kind::part;
  auto const [offset, length] = part ? answer.range : wire::HttpRange{0, file.length};
  if (part)
    fields.add("Content-Range",
               fmt::format("bytes {}-{}/{}", offset, offset + length - 1, file.length));
  MUT_TRY(responder.begin(part ? 206 : 200, std::move(fields), length));

  if (length == 0) return {};
  MUT_TRY(responder.write({}));  // HEAD ends here, before anything is read
  Bytes chunk(std::min<std::uint64_t>(kChunkBytes, length));
  for (std::uint64_t done = 0; done < length;) {
    auto const into =
        MutableBytes{chunk}.first(std::min<std::uint64_t>(chunk.size(), length - done));
    // Padding is zeros, as the chunk is from the start.
    if (!file.pad)
      MUT_TRY(source.read(place.id, *place.file, offset + done, into,
                          Deadline::at(world.clock().now() + kReadPatience)));
    MUT_TRY(responder.write(into));
    done += into.size();
  }
  return {};
}

}  // namespace mutirao::swarm
