#include "mutirao/swarm/swarm.h"

#include <algorithm>
#include <map>

#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/engine.h"
#include "torrent/torrent.h"
#include "torrent/torrent_record.h"

namespace mutirao::swarm {

namespace {

constexpr auto kSaveInterval = std::chrono::seconds{60};
constexpr std::size_t kIdPrefixMin = 4;
constexpr auto kSessionMax = std::chrono::seconds{2};  // for a torrent that is just being opened

/// BEP 20: client and version, then chance.
PeerId make_peer_id(world::World& world) {
  PeerId id;
  world.entropy().fill(id);
  constexpr std::string_view kClient = "-MU0010-";
  std::ranges::copy(kClient, id.begin());
  return id;
}

net::HttpClientOptions http_options(SwarmOptions const& options, net::Reach reach) {
  net::HttpClientOptions http;
  http.reach = reach;
  http.from = options.from;
  return http;
}

}  // namespace

Engine::Engine(world::World& seam, SwarmOptions given)
    : world{seam},
      options{std::move(given)},
      peer_id{make_peer_id(seam)},
      key{static_cast<std::uint32_t>(seam.entropy().next())},
      upload{options.upload_rate_max},
      download{options.download_rate_max},
      http{seam, http_options(options, options.tracker_reach)},
      trackers{seam, http_options(options, options.tracker_reach)},
      trackers_trusted{
          seam, http_options(options, std::min(options.tracker_reach, net::Reach::anywhere))} {}

struct Swarm::State {
  State(world::World& world, SwarmOptions options)
      : engine{world, std::move(options)}, records{world, engine.options.state_folder} {}

  struct Entry {
    std::shared_ptr<Torrent> torrent;  // null: could not be restored
    std::optional<Error> broken;
    std::string name;
  };

  Engine engine;
  RecordFolder records;
  mutable threads::mutex mutex;
  threads::mutex saving;
  threads::condition_variable gone;
  std::map<TorrentId, Entry> torrents;
  std::set<Torrent const*> running;
  bool stopping = false;
  threads::scope scope;  // last: its threads use all of the above

  [[nodiscard]] Result<std::shared_ptr<Torrent>> get(TorrentId const& id) const {
    std::lock_guard const lock{mutex};
    auto const found = torrents.find(id);
    if (found == torrents.end())
      return fail(Fault::not_found, fmt::format("no torrent {}", id), "mutirao swarm list");
    if (!found->second.torrent) return std::unexpected{*found->second.broken};
    return found->second.torrent;
  }

  [[nodiscard]] std::shared_ptr<Torrent> for_handshake(Sha1Digest const& hash) const {
    std::lock_guard const lock{mutex};
    for (auto const& [id, entry] : torrents) {
      if (entry.torrent && entry.torrent->info_hash().matches(hash)) return entry.torrent;
    }
    return nullptr;
  }

  void save(Torrent& torrent) {
    std::lock_guard const one_at_a_time{saving};
    if (auto const metainfo = torrent.metainfo_to_save()) {
      if (auto const saved = records.save_metainfo(torrent.id(), *metainfo); !saved)
        complain(saved.error());
    }
    if (auto const saved = records.save(torrent.id(), torrent.record()); !saved)
      complain(saved.error());
  }
  void complain(Error const& error) {
    engine.world.log().warning("swarm", "the state could not be saved: {}", error.what);
  }

  void start(std::shared_ptr<Torrent> torrent) {
    {
      std::lock_guard const lock{mutex};
      running.insert(torrent.get());
    }
    scope.spawn("torrent",
                [this, torrent] {
                  torrent->run();
                  std::lock_guard const lock{mutex};
                  running.erase(torrent.get());
                  gone.notify_all();
                },
                {.stack = threads::stack_size::large, .isolated = true});
  }

  void save_loop() {
    while (threads::sleep_for(kSaveInterval)) save_all();
  }
  void save_all() {
    std::vector<std::shared_ptr<Torrent>> all;
    {
      std::lock_guard const lock{mutex};
      for (auto const& [id, entry] : torrents) {
        if (entry.torrent) all.push_back(entry.torrent);
      }
    }
    for (auto const& torrent : all) save(*torrent);
  }

  Result<void> take_peer(std::unique_ptr<world::Stream> stream, ByteView read_ahead);
};

Swarm::Swarm(world::World& world, SwarmOptions options)
    : state_{std::make_shared<State>(world, std::move(options))} {
  state_->scope.spawn("swarm records", [state = state_.get()] { state->save_loop(); },
                      {.isolated = true});
}

Swarm::~Swarm() {
  threads::shield const shield;
  {
    std::lock_guard const lock{state_->mutex};
    state_->stopping = true;
    for (auto const& [id, entry] : state_->torrents) {
      if (entry.torrent) entry.torrent->stop();
    }
  }
  {
    std::unique_lock lock{state_->mutex};
    static_cast<void>(state_->gone.wait(lock, [&] { return state_->running.empty(); }));
  }
  state_->scope.request_stop();
  static_cast<void>(state_->scope.join());
  state_->save_all();
}

Result<TorrentId> Swarm::add(AddRequest request) {
  TorrentRecord record;
  record.folder = request.folder;
  record.trackers = request.trackers;
  record.on_demand = request.on_demand;
  auto const peers = request.peers;
  auto const on_demand = request.on_demand;
  auto const torrent =
      std::make_shared<Torrent>(state_->engine, std::move(request), std::move(record));
  std::shared_ptr<Torrent> known;
  {
    std::lock_guard const lock{state_->mutex};
    if (state_->stopping) return fail(Fault::cancelled, "the node is stopping");
    auto& entry = state_->torrents[torrent->id()];
    if (entry.torrent) {
      known = entry.torrent;
    } else {
      entry = {.torrent = torrent, .broken = {}, .name = {}};
    }
  }
  if (known) {
    known->add_peers(peers);
    if (!on_demand) known->fetch_all();
    return known->id();
  }
  torrent->mark_metainfo_to_save();
  state_->save(*torrent);
  state_->start(torrent);
  return torrent->id();
}

Result<void> Swarm::restore() {
  auto found = MUT_TRY(state_->records.load());
  for (auto& each : found) {
    auto broken = each.record ? std::nullopt : std::optional{each.record.error()};
    std::shared_ptr<Torrent> torrent;
    if (!broken) {
      AddRequest request{
          .what = each.metainfo, .folder = each.record->folder, .peers = {}, .trackers = {}};
      if (!each.metainfo) {
        if (auto magnet = Magnet::parse(each.record->magnet)) {
          request.what = std::move(*magnet);
        } else {
          broken = std::move(magnet).error();
        }
      }
      if (!broken)
        torrent =
            std::make_shared<Torrent>(state_->engine, std::move(request), std::move(*each.record));
    }
    {
      std::lock_guard const lock{state_->mutex};
      auto& entry = state_->torrents[each.id];
      if (entry.torrent) continue;
      if (broken)
        broken->mend =
            fmt::format("add it again, or run: mutirao swarm remove {}", each.id.substr(0, 12));
      entry = {.torrent = torrent, .broken = std::move(broken), .name = each.id.substr(0, 12)};
    }
    if (torrent) state_->start(torrent);
  }
  return {};
}

Result<void> Swarm::remove(TorrentId const& id, bool content) {
  std::shared_ptr<Torrent> torrent;
  {
    std::unique_lock lock{state_->mutex};
    auto const found = state_->torrents.find(id);
    if (found == state_->torrents.end())
      return fail(Fault::not_found, fmt::format("no torrent {}", id), "mutirao swarm list");
    torrent = std::move(found->second.torrent);
    state_->torrents.erase(found);
    if (torrent) {
      torrent->stop();
      threads::shield const shield;
      static_cast<void>(
          state_->gone.wait(lock, [&] { return !state_->running.contains(torrent.get()); }));
    }
  }
  std::lock_guard const one_at_a_time{state_->saving};
  auto removed = torrent ? torrent->remove_content(content) : Result<void>{};
  MUT_TRY(state_->records.remove(id));
  return removed;
}

Result<void> Swarm::pause(TorrentId const& id) {
  auto const torrent = MUT_TRY(state_->get(id));
  torrent->set_paused(true);
  state_->save(*torrent);
  return {};
}

Result<void> Swarm::resume(TorrentId const& id) {
  auto const torrent = MUT_TRY(state_->get(id));
  torrent->set_paused(false);
  state_->save(*torrent);
  return {};
}

Result<void> Swarm::verify(TorrentId const& id) {
  MUT_TRY(state_->get(id))->request_verify();
  return {};
}

Result<TorrentId> Swarm::find(std::string_view id_or_name) const {
  std::vector<TorrentId> by_name;
  std::vector<TorrentId> by_prefix;
  std::lock_guard const lock{state_->mutex};
  for (auto const& [id, entry] : state_->torrents) {
    if (id == id_or_name) return id;
    if (id_or_name.size() >= kIdPrefixMin && id.starts_with(id_or_name)) by_prefix.push_back(id);
    if (entry.torrent && entry.torrent->status(false).name == id_or_name) by_name.push_back(id);
  }
  auto& found = by_prefix.empty() ? by_name : by_prefix;
  if (found.size() == 1) return found.front();
  if (found.empty())
    return fail(Fault::not_found, fmt::format("no torrent {}", id_or_name), "mutirao swarm list");
  return fail(Fault::invalid, fmt::format("{} torrents are called {}", found.size(), id_or_name),
              "name it by its id: mutirao swarm list");
}

std::vector<TorrentStatus> Swarm::list() const {
  std::vector<TorrentStatus> all;
  std::lock_guard const lock{state_->mutex};
  for (auto const& [id, entry] : state_->torrents) {
    if (entry.torrent) {
      all.push_back(entry.torrent->status(false));
      continue;
    }
    TorrentStatus status;
    status.id = id;
    status.name = entry.name;
    status.phase = TorrentPhase::failed;
    status.why = entry.broken->what;
    status.mend = entry.broken->mend;
    all.push_back(std::move(status));
  }
  return all;
}

Result<TorrentStatus> Swarm::status(TorrentId const& id) const {
  return MUT_TRY(state_->get(id))->status(true);
}

Result<Bitfield> Swarm::pieces(TorrentId const& id) const {
  return MUT_TRY(state_->get(id))->pieces();
}

Result<std::shared_ptr<Metainfo const>> Swarm::metainfo(TorrentId const& id,
                                                        Deadline deadline) const {
  return MUT_TRY(state_->get(id))->wait_for_metainfo(deadline);
}

Result<void> Swarm::wait_until_complete(TorrentId const& id, Deadline deadline) {
  return MUT_TRY(state_->get(id))->wait_until_complete(deadline);
}

Result<void> Swarm::read(TorrentId const& id, FileIndex file, std::uint64_t offset,
                         MutableBytes into, Deadline deadline, std::uint8_t priority) {
  return MUT_TRY(state_->get(id))->read(file, offset, into, deadline, priority);
}

void Swarm::suggest_peer(TorrentId const& id, world::Endpoint peer) {
  if (auto const torrent = state_->get(id)) (*torrent)->add_peers(std::span{&peer, 1});
}

Result<void> Swarm::serve(world::Listener& listener) {
  threads::scope scope;
  while (true) {
    auto stream = listener.accept(Deadline::never());
    if (!stream) {
      scope.request_stop();
      static_cast<void>(scope.join());
      if (stream.error().fault == Fault::closed || stream.error().fault == Fault::cancelled)
        return {};
      return std::unexpected{stream.error()};
    }
    scope.spawn(
        "peer",
        [this, stream = std::move(*stream)]() mutable { serve_peer(std::move(stream), {}); },
        {.isolated = true});
  }
}

void Swarm::serve_peer(std::unique_ptr<world::Stream> stream, ByteView read_ahead) {
  auto const state = state_;  // outlives this call, whatever happens to the Swarm
  auto const from = stream->remote();
  if (auto const served = state->take_peer(std::move(stream), read_ahead); !served) {
    state->engine.world.log().debug("swarm", "{}: {}", from.to_string(), served.error().what);
  }
}

/// The handshake of somebody who called us; then his connection.
Result<void> Swarm::State::take_peer(std::unique_ptr<world::Stream> stream, ByteView read_ahead) {
  ConnectionPermit const permit{engine};
  if (!permit) return fail(Fault::exhausted, "too many connections");
  auto const deadline = threads::within(kHandshakeMax);
  std::array<std::uint8_t, kHandshakeBytes> bytes;
  auto const ahead = std::min(read_ahead.size(), bytes.size());
  std::ranges::copy(read_ahead.first(ahead), bytes.begin());
  MUT_TRY(stream->read_exactly(MutableBytes{bytes}.subspan(ahead), deadline));
  auto const theirs = MUT_TRY(parse_handshake(bytes));
  auto const torrent = for_handshake(theirs.info_hash);
  if (!torrent || !torrent->accepts_peers(threads::within(kSessionMax)))
    return fail(Fault::not_found, "it asks for a torrent that is not active here");
  write_handshake(bytes, torrent->our_handshake(theirs.info_hash));
  MUT_TRY(stream->write_all(bytes, deadline));
  auto const remote = stream->remote();
  auto error =
      torrent->run_peer(std::move(stream), theirs, true, remote, read_ahead.subspan(ahead));
  return std::unexpected{std::move(error)};
}

}  // namespace mutirao::swarm
