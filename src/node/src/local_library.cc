#include "local_library.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>

#include "mutirao/swarm/magnet.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "stored_file.h"

namespace mutirao::node {
namespace {

constexpr Duration kHashingReport = 250ms;

/// Percent of verified pieces in each of at most kMapCells runs.
std::vector<std::uint8_t> map_of(swarm::Bitfield const& pieces) {
  std::size_t const cells = std::min(pieces.size(), Transfer::kMapCells);
  std::vector<std::uint8_t> map(cells);
  for (std::size_t cell = 0; cell < cells; ++cell) {
    std::size_t const begin = pieces.size() * cell / cells;
    std::size_t const end = pieces.size() * (cell + 1) / cells;
    std::size_t have = 0;
    for (std::size_t piece = begin; piece < end; ++piece) have += pieces.test(piece) ? 1 : 0;
    map[cell] = static_cast<std::uint8_t>(have * 100 / (end - begin));
  }
  return map;
}

std::string parent_of(std::string const& path) {
  auto const slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

LocalLibrary::LocalLibrary(world::World& world, swarm::Swarm& swarm, swarm::Tracker& tracker,
                           StateDb& db, NodeConfig const& config, Contact contact)
    : world_{world},
      swarm_{swarm},
      tracker_{tracker},
      db_{db},
      config_{config},
      contact_{std::move(contact)} {}

std::int64_t LocalLibrary::civil_seconds() const {
  return std::chrono::duration_cast<std::chrono::seconds>(world_.clock().civil().time_since_epoch())
      .count();
}

void LocalLibrary::learn(Entry& entry, swarm::Metainfo const& metainfo) {
  entry.info_hash = metainfo.info_hash();
  entry.is_private = metainfo.is_private();
  entry.metadata_known = true;
  entry.record.name = metainfo.name();
  entry.files_total = static_cast<std::uint32_t>(
      std::ranges::count_if(metainfo.files(), [](auto const& file) { return !file.pad; }));
}

// The record comes first: a crash between the two leaves a record that restore() makes good, never
// a torrent that nobody remembers.
Result<swarm::TorrentId> LocalLibrary::add(swarm::AddRequest request, TorrentRecord record) {
  Entry entry;
  entry.record = record;
  if (auto const* metainfo = std::get_if<std::shared_ptr<swarm::Metainfo const>>(&request.what))
    learn(entry, **metainfo);
  else
    entry.info_hash = std::get<swarm::Magnet>(request.what).info_hash;
  MUT_TRY(db_.put(record));
  auto id = swarm_.add(std::move(request));
  if (!id) {
    if (auto forgotten = db_.remove(record.id); !forgotten)
      world_.log().warning("node", "{}", forgotten.error().what);
    return id;
  }
  tracker_.admit(entry.info_hash);
  std::lock_guard const lock{mutex_};
  entries_.insert_or_assign(*id, std::move(entry));
  return id;
}

Result<Shared> LocalLibrary::share(ShareRequest request,
                                   std::function<bool(swarm::MakeProgress)> progress,
                                   Deadline deadline) {
  if (!request.path.starts_with('/'))
    return fail(Fault::invalid, fmt::format("\"{}\" is not an absolute path", request.path));
  swarm::MakeOptions options;
  options.format = request.format;
  options.is_private = request.is_private;
  options.comment = request.comment;
  if (request.is_private) options.tracker_tiers.push_back({contact_.announce_url});
  for (auto const& url : request.trackers) options.tracker_tiers.push_back({url});

  // Hashing runs beside, so that the progress goes out at an even pace however long a file takes.
  std::atomic<std::uint64_t> bytes_done = 0;
  std::atomic<std::uint64_t> bytes_total = 0;
  threads::mutex mutex;
  threads::condition_variable changed;
  std::optional<Result<swarm::MadeTorrent>> made;
  threads::scope hashing{deadline};
  hashing.spawn("share",
                [&] {
                  auto result = swarm::make_torrent(
                      world_, request.path, options, [&](swarm::MakeProgress now) {
                        bytes_total.store(now.bytes_total, std::memory_order_relaxed);
                        bytes_done.store(now.bytes_done, std::memory_order_relaxed);
                      });
                  std::lock_guard const lock{mutex};
                  made = std::move(result);
                  changed.notify_all();
                },
                {.stack = threads::stack_size::large, .isolated = true});
  {
    std::unique_lock lock{mutex};
    while (!made) {
      auto const waited = changed.wait(lock, earlier(threads::within(kHashingReport), deadline));
      if (made) break;
      if (!waited && waited.error().fault != Fault::timed_out)
        return std::unexpected{waited.error()};
      if (deadline.passed(threads::now()))
        return fail(Fault::timed_out, "hashing " + request.path + " took longer than allowed");
      lock.unlock();
      bool const go_on = !progress || progress({bytes_done.load(std::memory_order_relaxed),
                                                bytes_total.load(std::memory_order_relaxed)});
      lock.lock();
      if (!go_on) return fail(Fault::cancelled, "sharing " + request.path + " was given up");
    }
  }
  if (!*made) return std::unexpected{std::move(*made).error()};
  auto [metainfo, skipped] = **std::move(made);

  auto const known = swarm_.status(metainfo->info_hash().id());
  if (!known) {
    auto trackers = request.trackers;
    trackers.insert(trackers.begin(), contact_.announce_url);
    TorrentRecord record{.id = metainfo->info_hash().id(),
                         .name = metainfo->name(),
                         .folder = parent_of(request.path),
                         .origin = Origin::shared,
                         .added_s = civil_seconds(),
                         .source = request.path,
                         .trackers = trackers};
    MUT_TRY(add({.what = metainfo,
                 .folder = record.folder,
                 .content_is_whole = true,
                 .peers = {},
                 .trackers = trackers},
                record));
    world_.log().info("node", "shares {} ({} bytes)", metainfo->name(), metainfo->total_size());
  }
  return Shared{MUT_TRY(describe(metainfo->info_hash().id())), std::move(skipped)};
}

Result<Shared> LocalLibrary::put(std::string name, ShareRequest request,
                                 middleware::Attachment const& content,
                                 std::function<bool(swarm::MakeProgress)> progress,
                                 Deadline deadline) {
  request.path = MUT_TRY(store_file(world_, config_.download_folder, name, content));
  return share(std::move(request), std::move(progress), deadline);
}

Result<Started> LocalLibrary::get(GetRequest request, Deadline deadline) {
  auto source = MUT_TRY(read_source(world_, request, deadline));
  auto const wanted = source.info_hash.id();
  Started started;
  if (auto const known = swarm_.find(wanted)) {
    {
      std::lock_guard const lock{mutex_};
      if (auto const entry = entries_.find(*known); entry != entries_.end())
        started.watched = entry->second.watchers > 0;
    }
    auto const status = MUT_TRY(swarm_.status(*known));
    if (status.phase == swarm::TorrentPhase::paused || status.phase == swarm::TorrentPhase::failed)
      MUT_TRY(swarm_.resume(*known));
    for (auto const& peer : source.request.peers) swarm_.suggest_peer(*known, peer);
    started.transfer = MUT_TRY(describe(*known));
    return started;
  }
  auto const folder = request.folder.empty() ? config_.download_folder : request.folder;
  if (auto opened = world_.disk().open_directory(folder, true); !opened)
    return std::unexpected{std::move(opened).error().with_mend(
        "choose a folder that you can write: mutirao get -o DIR ...")};
  source.request.folder = folder;
  TorrentRecord record{.id = wanted,
                       .name = source.name,
                       .folder = folder,
                       .origin = Origin::fetched,
                       .added_s = civil_seconds(),
                       .source = request.what,
                       .trackers = source.request.trackers};
  auto const* metainfo = std::get_if<std::shared_ptr<swarm::Metainfo const>>(&source.request.what);
  if (metainfo != nullptr && !(*metainfo)->is_private())
    source.request.trackers.push_back(contact_.announce_url);
  auto const id = MUT_TRY(add(std::move(source.request), std::move(record)));
  world_.log().info("node", "fetches {} into {}", source.name, folder);
  started.transfer = MUT_TRY(describe(id));
  return started;
}

Transfer LocalLibrary::describe(swarm::TorrentStatus status) const {
  Transfer transfer;
  transfer.peers_connected = static_cast<std::uint32_t>(status.peers.size());
  {
    std::lock_guard const lock{mutex_};
    if (auto const found = entries_.find(status.id); found != entries_.end()) {
      auto const& entry = found->second;
      transfer.origin = entry.record.origin;
      transfer.folder = entry.record.folder;
      transfer.added_s = entry.record.added_s;
      transfer.files_total = entry.files_total;
      transfer.links = make_links(contact_, entry.info_hash, entry.record.name,
                                  entry.record.trackers, entry.metadata_known, entry.is_private);
      if (status.name.empty()) status.name = entry.record.name;
    }
  }
  transfer.status = std::move(status);
  return transfer;
}

Result<Transfer> LocalLibrary::describe(swarm::TorrentId const& id) const {
  return describe(MUT_TRY(swarm_.status(id)));
}

Result<std::vector<Transfer>> LocalLibrary::list(Deadline) {
  std::vector<Transfer> transfers;
  for (auto const& brief : swarm_.list()) {
    auto status = swarm_.status(brief.id);
    if (!status) continue;  // removed meanwhile
    auto transfer = describe(*std::move(status));
    transfer.status.peers.clear();
    transfers.push_back(std::move(transfer));
  }
  std::ranges::stable_sort(transfers, {}, &Transfer::added_s);
  return transfers;
}

Result<Transfer> LocalLibrary::show(std::string_view name, Deadline) {
  auto const id = MUT_TRY(swarm_.find(name));
  auto transfer = MUT_TRY(describe(id));
  if (auto const pieces = swarm_.pieces(id)) transfer.piece_map = map_of(*pieces);
  if (auto const metainfo = swarm_.metainfo(id, threads::within(0s)))
    for (auto const& file : (*metainfo)->files()) {
      if (file.pad) continue;
      if (transfer.files.size() == Transfer::kFilesShown) break;
      transfer.files.push_back({file.path, file.length});
    }
  return transfer;
}

Result<Transfer> LocalLibrary::pause(std::string_view name, Deadline) {
  auto const id = MUT_TRY(swarm_.find(name));
  MUT_TRY(swarm_.pause(id));
  return describe(id);
}

Result<Transfer> LocalLibrary::resume(std::string_view name, Deadline) {
  auto const id = MUT_TRY(swarm_.find(name));
  MUT_TRY(swarm_.resume(id));
  return describe(id);
}

Result<Transfer> LocalLibrary::verify(std::string_view name, Deadline) {
  auto const id = MUT_TRY(swarm_.find(name));
  MUT_TRY(swarm_.verify(id));
  return describe(id);
}

Result<Transfer> LocalLibrary::remove(std::string_view name, bool content, Deadline) {
  auto const id = MUT_TRY(swarm_.find(name));
  auto transfer = MUT_TRY(describe(id));
  MUT_TRY(swarm_.remove(id, content));
  MUT_TRY(db_.remove(id));
  std::lock_guard const lock{mutex_};
  if (auto const entry = entries_.find(id); entry != entries_.end()) {
    tracker_.expel(entry->second.info_hash);
    entries_.erase(entry);
  }
  return transfer;
}

Result<void> LocalLibrary::watch(std::string_view name, Duration interval,
                                 std::function<bool(std::vector<Transfer> const&)> see,
                                 Deadline deadline) {
  std::string id;
  if (!name.empty()) {
    id = MUT_TRY(swarm_.find(name));
    std::lock_guard const lock{mutex_};
    if (auto const entry = entries_.find(id); entry != entries_.end()) ++entry->second.watchers;
  }
  struct Leave {
    LocalLibrary& library;
    std::string const& id;
    ~Leave() {
      std::lock_guard const lock{library.mutex_};
      if (auto const entry = library.entries_.find(id); entry != library.entries_.end())
        --entry->second.watchers;
    }
  } const leave{*this, id};
  while (true) {
    std::vector<Transfer> seen;
    if (id.empty())
      seen = MUT_TRY(list(deadline));
    else
      seen.push_back(MUT_TRY(describe(id)));
    if (!see(seen)) return {};
    if (deadline.passed(threads::now()))
      return fail(Fault::timed_out, "watching for longer than allowed");
    MUT_TRY(threads::sleep_for(interval));
  }
}

}  // namespace mutirao::node
