#include <algorithm>

#include "mutirao/base/units.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// What a person is told: the phase, and always for what and why.
namespace mutirao::swarm {

namespace {

std::string count_of(std::size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string web_seeds_of(std::size_t count) { return count_of(count, "web seed", "web seeds"); }
std::string peers_of(std::size_t count) { return count_of(count, "peer", "peers"); }

}  // namespace

TorrentStatus Torrent::status(bool with_peers) const {
  std::lock_guard const lock{mutex_};
  TorrentStatus status;
  status.id = id_;
  status.name = name();
  status.phase =
      disk_full_ && phase_ == TorrentPhase::downloading ? TorrentPhase::paused : phase_for_others();
  auto reason = this->reason();
  status.why = std::move(reason.why);
  status.mend = std::move(reason.mend);
  status.since = engine_.world.clock().now() - since_;
  status.downloaded = downloaded_;
  status.uploaded = uploaded_;
  status.wasted = wasted_;
  status.wrong = wrong_;
  status.download_rate = down_rate_.bytes_per_s();
  status.upload_rate = up_rate_.bytes_per_s();
  status.connecting = connecting_;
  status.known_peers = static_cast<std::uint32_t>(book_.size());
  if (metainfo_) {
    status.bytes_total = metainfo_->total_size();
    status.pieces_total = metainfo_->piece_count();
  }
  if (store_) {
    status.bytes_verified = store_->verified_bytes();
    status.pieces_verified = picker_ ? static_cast<std::uint32_t>(picker_->have().count())
                                     : static_cast<std::uint32_t>(store_->pieces().count());
  }
  if (phase_ == TorrentPhase::downloading && status.download_rate > 0 &&
      status.bytes_total >= status.bytes_verified) {
    auto const seconds =
        static_cast<double>(status.bytes_total - status.bytes_verified) / status.download_rate;
    status.time_left =
        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, 1e8)));
  }
  for (auto const& tracker : trackers_) {
    status.trackers.push_back(tracker->status);
    auto& each = status.trackers.back();
    if (each.state == "working" && each.why.empty()) {
      auto const wait =
          std::max<Duration>(tracker->next - engine_.world.clock().now(), Duration{0});
      each.why = fmt::format("next announce in {}", base::format_duration(wait));
    }
  }
  for (auto const& url : web_seed_urls()) {
    auto const begun = web_seeds_.find(url);
    status.web_seeds.push_back(
        begun != web_seeds_.end()
            ? begun->second
            : WebSeedStatus{.url = url,
                            .state = "waiting",
                            .why = completed_ ? "everything is here" : "not asked yet"});
  }
  if (with_peers) {
    for (auto const& peer : peers_) status.peers.push_back(status_of(*peer));
  }
  return status;
}

PeerStatus Torrent::status_of(Peer const& peer) const {
  auto const& shared = peer.shared;
  PeerStatus status;
  status.endpoint = peer.endpoint();
  status.client = peer.client();
  status.incoming = peer.incoming();
  status.own_network = shared.own_network;
  if (picker_ && shared.in_picker && metainfo_->piece_count() > 0) {
    status.progress =
        static_cast<double>(picker_->peer_count(shared.slot)) / metainfo_->piece_count();
  }
  status.download_rate = shared.down_rate.bytes_per_s();
  status.upload_rate = shared.up_rate.bytes_per_s();
  status.downloaded = peer.downloaded;
  status.uploaded = peer.uploaded;
  status.we_choke = shared.we_choke;
  status.they_choke = shared.they_choke;
  status.we_interested = shared.we_interested;
  status.they_interested = shared.they_interested;
  status.requests_in_flight = static_cast<std::uint32_t>(shared.in_flight.size());
  return status;
}

/// Paused from the moment its owner said so, also while its session is still being wound up.
TorrentPhase Torrent::phase_for_others() const {
  bool const talks = phase_ == TorrentPhase::metadata || phase_ == TorrentPhase::downloading ||
                     phase_ == TorrentPhase::seeding;
  return talks && record_.paused ? TorrentPhase::paused : phase_;
}

Torrent::Reason Torrent::reason() const {
  auto const id = id_.substr(0, 12);
  switch (phase_for_others()) {
    case TorrentPhase::failed:
      return failed_ ? Reason{failed_->what,
                              failed_->mend.empty()
                                  ? fmt::format("mend it, then: mutirao swarm resume {}", id)
                                  : failed_->mend}
                     : Reason{};
    case TorrentPhase::paused:
      return {"paused by its owner", fmt::format("mutirao swarm resume {}", id)};
    case TorrentPhase::checking:
      if (check_total_ == 0) return {"opening its files", {}};
      return {fmt::format("checking what is on disk: {} of {}", base::format_bytes(check_done_),
                          base::format_bytes(check_total_)),
              {}};
    case TorrentPhase::metadata:
    case TorrentPhase::downloading:
      return reason_for_waiting();
    case TorrentPhase::seeding: {
      auto const taking = std::ranges::count_if(peers_, [](auto const& each) {
        return each->shared.they_interested && !each->shared.we_choke;
      });
      if (peers_.empty()) return {"nobody is connected", {}};
      return {fmt::format("{} of {} connected take from us", taking, peers_of(peers_.size())), {}};
    }
  }
  return {};
}

std::size_t Torrent::web_seeds_working() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      web_seeds_, [](auto const& each) { return each.second.state == "working"; }));
}

Torrent::Reason Torrent::reason_without_peers() const {
  if (auto const working = web_seeds_working(); working > 0) {
    return {fmt::format("downloading from {}; no peer connected, {} known", web_seeds_of(working),
                        book_.size()),
            {}};
  }
  for (auto const& tracker : trackers_) {
    if (tracker->status.state != "failed") continue;
    return {fmt::format("no peer connected, {} known; tracker {}: {}", book_.size(), tracker->url,
                        tracker->status.why),
            "check the connection, or add a peer"};
  }
  if (connecting_ > 0) return {fmt::format("connecting to {}", peers_of(connecting_)), {}};
  for (auto const& [url, seed] : web_seeds_) {
    if (seed.state == "failed")
      return {
          fmt::format("no peer connected, {} known; web seed {}: {}", book_.size(), url, seed.why),
          "add a peer that has it"};
  }
  if (book_.size() == 0 && trackers_.empty()) {
    return {"no peer known, and no tracker to ask",
            "name a peer or a tracker, or use a link that does"};
  }
  return {fmt::format("no peer connected, {} known", book_.size()),
          "wait, or add a peer that has it"};
}

Torrent::Reason Torrent::reason_for_waiting() const {
  if (disk_full_) {
    auto const free =
        space_ ? fmt::format(", {} free", base::format_bytes(space_->free_bytes)) : std::string{};
    return {fmt::format("disk full: needs {}{} in {}", base::format_bytes(room_needed()), free,
                        record_.folder),
            "make room there; it goes on by itself"};
  }
  if (peers_.empty()) return reason_without_peers();
  if (phase_ == TorrentPhase::metadata) {
    auto const asked = std::ranges::count_if(
        peers_, [](auto const& each) { return each->shared.metadata_asked != TimePoint{}; });
    auto const what = metainfo_ ? "hashes of the pieces" : "metadata";
    return {
        fmt::format("waiting for {} from {} of {} connected", what, asked, peers_of(peers_.size())),
        {}};
  }
  if (record_.on_demand && picker_->done()) {
    return {fmt::format("fetches what is read, and nobody reads; {} connected",
                        peers_of(peers_.size())),
            {}};
  }
  auto const [piece, missing] = picker_->unavailable();
  auto const giving = std::ranges::count_if(
      peers_, [](auto const& each) { return !each->shared.in_flight.empty(); });
  auto const working = web_seeds_working();
  auto const web = working > 0 ? " and " + web_seeds_of(working) : std::string{};
  if (giving > 0 || working > 0)
    return {
        fmt::format("downloading from {} of {} connected{}", giving, peers_of(peers_.size()), web),
        {}};
  if (piece) {
    auto const total = metainfo_->piece_count();
    return {fmt::format("no peer has piece {}: {} connected, {} of {} pieces available",
                        piece->value, peers_of(peers_.size()), total - missing, total),
            "wait for a peer that has the rest, or add one"};
  }
  auto const interesting =
      std::ranges::count_if(peers_, [](auto const& each) { return each->shared.we_interested; });
  auto const choking = std::ranges::count_if(peers_, [](auto const& each) {
    return each->shared.we_interested && each->shared.they_choke;
  });
  if (interesting > 0 && interesting == choking)
    return {fmt::format("choked by all {} that have what is missing", peers_of(interesting)), {}};
  auto const snubbed =
      std::ranges::count_if(peers_, [](auto const& each) { return each->shared.snubbed; });
  if (snubbed > 0) return {fmt::format("{} owe us blocks and are silent", peers_of(snubbed)), {}};
  return {fmt::format("waiting for {} connected to offer what is missing", peers_of(peers_.size())),
          {}};
}

Result<Bitfield> Torrent::pieces() const {
  std::lock_guard const lock{mutex_};
  if (picker_) return picker_->have();
  if (store_) return store_->pieces();
  if (!metainfo_)
    return fail(Fault::not_found, fmt::format("{}: its metadata has not arrived", name()));
  return Bitfield{metainfo_->piece_count()};
}

Result<std::shared_ptr<Metainfo const>> Torrent::wait_for_metainfo(Deadline deadline) const {
  std::unique_lock lock{mutex_};
  while (!metainfo_) {
    if (auto const possible = why_not(); !possible) return std::unexpected{possible.error()};
    if (auto const waited = changed_.wait(lock, deadline); !waited) {
      if (waited.error().fault != Fault::timed_out) return std::unexpected{waited.error()};
      auto reason = reason_for_waiting();
      return fail(Fault::timed_out, fmt::format("{}: {}", name(), reason.why),
                  std::move(reason.mend));
    }
  }
  return metainfo_;
}

Result<void> Torrent::wait_until_complete(Deadline deadline) const {
  std::unique_lock lock{mutex_};
  while (!completed_) {
    MUT_TRY(why_not());
    if (auto const waited = changed_.wait(lock, deadline); !waited && !completed_) {
      if (waited.error().fault != Fault::timed_out) return waited;
      auto reason = this->reason();
      return fail(Fault::timed_out, fmt::format("{}: {}", name(), reason.why),
                  std::move(reason.mend));
    }
  }
  return {};
}

TorrentRecord Torrent::record() const {
  std::lock_guard const lock{mutex_};
  auto record = record_;
  record.uploaded = uploaded_;
  record.downloaded = downloaded_;
  record.info_hash = info_hash_;
  record.magnet = metainfo_ ? std::string{} : magnet_.to_string();
  return record;
}

Result<void> Torrent::remove_content(bool content) {
  if (!store_) return {};
  return store_->remove(content);
}

}  // namespace mutirao::swarm
