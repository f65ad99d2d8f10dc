#include "torrent/torrent_record.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/wire/bencode.h"

namespace mutirao::swarm {

namespace {
constexpr std::uint64_t kRecordBytesMax = 1 << 20;
constexpr std::string_view kStateEnd = ".state";
constexpr std::string_view kTorrentEnd = ".torrent";
}  // namespace

Bytes to_bencode(TorrentRecord const& record) {
  wire::BencodeWriter writer;
  writer.begin_dictionary();
  writer.key("downloaded").integer(static_cast<std::int64_t>(record.downloaded));
  writer.key("folder").string(record.folder);
  writer.key("magnet").string(record.magnet);
  writer.key("on demand").integer(record.on_demand ? 1 : 0);
  writer.key("paused").integer(record.paused ? 1 : 0);
  writer.key("trackers").begin_list();
  for (auto const& url : record.trackers) writer.string(url);
  writer.end();
  writer.key("uploaded").integer(static_cast<std::int64_t>(record.uploaded));
  writer.end();
  return std::move(writer).finish();
}

Result<TorrentRecord> parse_torrent_record(ByteView bytes) {
  auto const document = MUT_TRY(wire::BencodeDocument::decode(bytes));
  auto const root = document.root();
  auto const folder = root.string("folder");
  if (!folder) return fail(Fault::corrupt, "the record names no folder");
  TorrentRecord record;
  record.folder = *folder;
  record.magnet = root.string("magnet").value_or("");
  record.on_demand = root.integer("on demand").value_or(0) != 0;
  record.paused = root.integer("paused").value_or(0) != 0;
  record.uploaded =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, root.integer("uploaded").value_or(0)));
  record.downloaded =
      static_cast<std::uint64_t>(std::max<std::int64_t>(0, root.integer("downloaded").value_or(0)));
  if (auto const trackers = root.find("trackers"); trackers && trackers->is_list()) {
    for (auto const entry : *trackers) {
      if (auto const url = entry.value.string()) record.trackers.emplace_back(*url);
    }
  }
  return record;
}

/// The folder, made if need be, in a way that survives a crash: each folder on the way to it must
/// be known to the one above.
Result<std::unique_ptr<world::Directory>> RecordFolder::open() {
  auto folder = MUT_TRY(world_.disk().open_directory(path_, true));
  if (std::exchange(made_, true)) return folder;
  for (auto end = path_.rfind('/'); end != std::string::npos;
       end = end == 0 ? std::string::npos : path_.rfind('/', end - 1)) {
    // Folders above those that we made may be closed to us; they have been there before.
    auto const above = world_.disk().open_directory(end == 0 ? "/" : path_.substr(0, end), false);
    if (!above || !(*above)->sync()) break;
  }
  return folder;
}

Result<void> RecordFolder::replace(std::string const& name, ByteView content) {
  auto const folder = MUT_TRY(open());
  auto const fresh = name + ".new";
  {
    auto const file =
        MUT_TRY(folder->open(fresh, {.writable = true, .create = true, .truncate = true}));
    MUT_TRY(file->write_at(0, content));
    MUT_TRY(file->sync());
  }
  MUT_TRY(folder->rename(fresh, name));
  return folder->sync();
}

Result<void> RecordFolder::save(std::string const& id, TorrentRecord const& record) {
  return replace(id + std::string{kStateEnd}, to_bencode(record));
}

Result<void> RecordFolder::save_metainfo(std::string const& id, Metainfo const& metainfo) {
  return replace(id + std::string{kTorrentEnd}, metainfo.to_torrent());
}

Result<void> RecordFolder::remove(std::string const& id) {
  auto const folder = MUT_TRY(world_.disk().open_directory(path_, true));
  for (auto const end : {kStateEnd, kTorrentEnd}) {
    auto const removed = folder->remove(id + std::string{end});
    if (!removed && removed.error().fault != Fault::not_found) return removed;
  }
  return folder->sync();
}

Result<std::vector<RecordFolder::Found>> RecordFolder::load() {
  auto const folder = MUT_TRY(world_.disk().open_directory(path_, true));
  auto const read_whole = [&](std::string const& name, std::uint64_t bytes_max) -> Result<Bytes> {
    auto const file = MUT_TRY(folder->open(name, {}));
    auto const info = MUT_TRY(file->info());
    if (info.size > bytes_max)
      return fail(Fault::corrupt, fmt::format("{} has {} bytes", name, info.size));
    Bytes bytes(info.size);
    MUT_TRY(file->read_exactly(0, bytes));
    return bytes;
  };
  std::vector<Found> all;
  for (auto const& entry : MUT_TRY(folder->list(""))) {
    if (!entry.name.ends_with(kStateEnd)) continue;
    Found found{entry.name.substr(0, entry.name.size() - kStateEnd.size()), TorrentRecord{},
                nullptr};
    if (auto const bytes = read_whole(entry.name, kRecordBytesMax)) {
      found.record = parse_torrent_record(*bytes);
    } else {
      found.record = std::unexpected{bytes.error()};
    }
    if (auto const torrent = read_whole(found.id + std::string{kTorrentEnd}, Metainfo::kBytesMax)) {
      if (auto parsed = Metainfo::parse(*torrent)) {
        found.metainfo = std::move(*parsed);
      } else if (found.record && found.record->magnet.empty()) {
        found.record = std::unexpected{parsed.error()};
      }
    } else if (found.record && found.record->magnet.empty()) {
      found.record = std::unexpected{torrent.error()};
    }
    all.push_back(std::move(found));
  }
  return all;
}

}  // namespace mutirao::swarm
