#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/net/http_client.h"
#include "mutirao/swarm/bitfield.h"
#include "mutirao/swarm/magnet.h"
#include "mutirao/swarm/metainfo.h"
#include "mutirao/world/world.h"

namespace mutirao::swarm {

/// InfoHash::id(), or any unique prefix of at least 6 digits where a person may type it.
using TorrentId = std::string;

struct SwarmOptions {
  std::string state_folder;              ///< maps, journals and .torrent files of what was added
  std::optional<world::IpAddress> from;  ///< source address of connections
  std::uint16_t port = 0;                ///< told to trackers: where serve() listens
  std::size_t connections_max = 500;
  std::size_t connections_per_torrent_max = 80;
  std::size_t uploads_per_torrent_max = 8;  ///< unchoked strangers at a time
  /// Peers that prove to know this key are of our own network: they are never choked. Empty: none.
  std::string network_key;
  std::uint64_t upload_rate_max = 0;  ///< bytes/s, 0: unlimited
  std::uint64_t download_rate_max = 0;
  net::Reach tracker_reach =
      net::Reach::public_only;  ///< of trackers and web seeds that torrents name
};

enum class TorrentPhase : std::uint8_t { metadata, checking, downloading, seeding, paused, failed };

struct PeerStatus {
  world::Endpoint endpoint;
  std::string client;  ///< "libtorrent 2.0.8", from its peer id or extension handshake
  bool incoming = false;
  bool own_network = false;
  double progress = 0;       ///< 0 to 1
  double download_rate = 0;  ///< bytes/s of payload
  double upload_rate = 0;
  std::uint64_t downloaded = 0;  ///< bytes of payload
  std::uint64_t uploaded = 0;
  bool we_choke = true;
  bool they_choke = true;
  bool we_interested = false;
  bool they_interested = false;
  std::uint32_t requests_in_flight = 0;
};

struct TrackerStatus {
  std::string url;
  std::string state;  ///< "working", "waiting", "failed"
  std::string why;    ///< error or "next announce in 25 min"
  std::uint32_t peers = 0;
  std::optional<std::uint32_t> seeds;
  std::optional<std::uint32_t> leeches;
};

struct WebSeedStatus {
  std::string url;
  std::string state;  ///< as of a tracker
  std::string why;
  std::uint64_t downloaded = 0;  ///< bytes of payload, in this run
};

struct TorrentStatus {
  TorrentId id;
  std::string name;
  TorrentPhase phase = TorrentPhase::metadata;
  std::string why;   ///< what it is doing or waiting for, with the reason
  std::string mend;  ///< what a person can do about it, or empty
  Duration since{};  ///< how long it has been so
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_verified = 0;
  std::uint64_t downloaded = 0;  ///< payload received since added, wasted included
  std::uint64_t uploaded = 0;
  std::uint64_t wasted = 0;  ///< duplicate and wrong bytes
  std::uint64_t wrong = 0;   ///< of these, those that did not match their hash
  double download_rate = 0;  ///< bytes/s
  double upload_rate = 0;
  std::uint32_t pieces_total = 0;
  std::uint32_t pieces_verified = 0;
  std::uint32_t connecting = 0;
  std::uint32_t known_peers = 0;
  std::vector<PeerStatus> peers;
  std::vector<TrackerStatus> trackers;
  std::vector<WebSeedStatus> web_seeds;
  std::optional<Duration> time_left;
};

struct AddRequest {
  std::variant<std::shared_ptr<Metainfo const>, Magnet> what;
  std::string folder;  ///< where its files go
  /// The content lies there whole and was hashed a moment ago (share): claimed without a recheck.
  bool content_is_whole = false;
  /// Fetches nothing by itself: only the pieces that read() touches. Added again without, it
  /// fetches all.
  bool on_demand = false;
  std::vector<world::Endpoint> peers;  ///< known from elsewhere
  std::vector<std::string> trackers;   ///< besides those of the torrent; these may be internal
};

/// All torrents of a node: a BitTorrent engine as blocking code on user threads.
///
/// One thread for each peer carries a block from the socket to the hash to the file: no hand-over,
/// no copy, no allocation a block. Everything that is read, by a person or by another module, comes
/// from one verified read. Any number of threads may call.
class Swarm {
 public:
  Swarm(world::World& world, SwarmOptions options);
  ~Swarm();  ///< stops and flushes everything, tells trackers

  /// Idempotent: what is there already keeps going and is returned.
  Result<TorrentId> add(AddRequest request);
  /// Continues every torrent found in the state folder. Those that fail are listed as failed.
  Result<void> restore();
  Result<void> remove(TorrentId const& id, bool content);
  Result<void> pause(TorrentId const& id);
  Result<void> resume(TorrentId const& id);
  /// Rechecks all content against its hashes; wrong blocks are fetched again.
  Result<void> verify(TorrentId const& id);

  /// Full id for a unique prefix (6 digits or more) or a name that only one torrent has.
  [[nodiscard]] Result<TorrentId> find(std::string_view id_or_name) const;
  [[nodiscard]] std::vector<TorrentStatus> list() const;                  ///< without peers
  [[nodiscard]] Result<TorrentStatus> status(TorrentId const& id) const;  ///< with peers
  [[nodiscard]] Result<Bitfield> pieces(TorrentId const& id) const;
  /// Fails with not_found, or timed_out while the metadata of a magnet has not arrived.
  [[nodiscard]] Result<std::shared_ptr<Metainfo const>> metainfo(TorrentId const& id,
                                                                 Deadline deadline) const;
  /// Parks until every piece is verified and on disk; the reason when that can't be.
  Result<void> wait_until_complete(TorrentId const& id, Deadline deadline);

  /// Verified bytes of a file, fetched first if need be. The request goes out in this call; the
  /// earlier the deadline, the earlier it is served; `priority` (0 lowest, 7 highest) breaks ties.
  /// Where the torrent has v2 hashes a 16 KiB block is verified and handed over alone.
  Result<void> read(TorrentId const& id, FileIndex file, std::uint64_t offset, MutableBytes into,
                    Deadline deadline, std::uint8_t priority = 4);

  /// Offers a peer that another part of the node has found.
  void suggest_peer(TorrentId const& id, world::Endpoint peer);

  /// Serves peers on a listener until it is closed or the thread is asked to stop.
  Result<void> serve(world::Listener& listener);
  /// Takes over one incoming connection; `read_ahead` was read from it already. Returns when the
  /// peer has gone.
  void serve_peer(std::unique_ptr<world::Stream> stream, ByteView read_ahead);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace mutirao::swarm
