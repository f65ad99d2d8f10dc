#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/store.h"
#include "mutirao/swarm/swarm.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"

#include "protocol/block_pool.h"
#include "torrent/choker.h"
#include "torrent/engine.h"
#include "torrent/peer.h"
#include "torrent/peer_book.h"
#include "torrent/picker.h"
#include "torrent/torrent_record.h"

namespace mutirao::swarm {

class WebSeed;

inline constexpr auto kChokeRound = std::chrono::seconds{10};  // BEP 3

/// One torrent of a node: its peers, its picker, its content.
///
/// Everything that more than one thread looks at is guarded by one mutex, held for short steps only
/// and never over hashing, disk or network. A *session* is the time in which it talks to others; it
/// ends for a pause, a recheck or the end, and all of its threads with it.
class Torrent : public std::enable_shared_from_this<Torrent> {
 public:
  Torrent(Engine& engine, AddRequest request, TorrentRecord record);
  ~Torrent();

  /// Lives until stop() or until the thread is asked to stop.
  void run();
  void stop();
  void set_paused(bool paused);
  void request_verify();
  /// Ends the restraint of a torrent that was added on demand.
  void fetch_all();

  [[nodiscard]] TorrentId const& id() const noexcept { return id_; }
  [[nodiscard]] InfoHash info_hash() const { return info_hash_; }
  [[nodiscard]] TorrentStatus status(bool with_peers) const;
  [[nodiscard]] Result<Bitfield> pieces() const;
  [[nodiscard]] Result<std::shared_ptr<Metainfo const>> wait_for_metainfo(Deadline deadline) const;
  Result<void> wait_until_complete(Deadline deadline) const;
  Result<void> read(FileIndex file, std::uint64_t offset, MutableBytes into, Deadline deadline,
                    std::uint8_t priority);
  void add_peers(std::span<world::Endpoint const> peers);
  /// After run() has ended: removes the map, and with `content` the files.
  Result<void> remove_content(bool content);
  [[nodiscard]] TorrentRecord record() const;

  /// Runs a connection whose handshakes are done, on the calling thread, until it is over.
  Error run_peer(std::unique_ptr<world::Stream> stream, Handshake const& theirs, bool incoming,
                 world::Endpoint endpoint, ByteView read_ahead);
  /// The info hash to say in a handshake.
  [[nodiscard]] Sha1Digest wire_hash() const;
  [[nodiscard]] Handshake our_handshake(Sha1Digest const& hash) const;
  /// Whether it talks to peers; waits while it is about to.
  [[nodiscard]] bool accepts_peers(Deadline deadline) const;
  /// True once after the metadata of a magnet has arrived: it is to be saved.
  [[nodiscard]] std::shared_ptr<Metainfo const> metainfo_to_save();
  void mark_metainfo_to_save();

 private:
  friend class Peer;

  /// A piece on its way from blocks to a verified whole.
  struct Assembly {
    Sha1State sha1;
    std::uint32_t hashed = 0;                         // blocks in sha1
    bool hashing = false;                             // a reader is feeding sha1
    std::uint32_t stored = 0;                         // blocks on disk
    std::vector<std::optional<Sha256Digest>> leaves;  // v2: hash of each block
    std::vector<PeerSlot> sources;                    // of each block
  };
  /// Who sent which block of a piece that turned out wrong, until it is known who lied.
  struct Suspicion {
    std::vector<PeerSlot> sources;
    std::vector<Sha256Digest> digests;
  };
  struct Departed {
    world::Endpoint endpoint;
    PeerId id;
  };
  /// A request for a part of a piece layer that is not answered yet.
  struct LayerAsk {
    HashRequest request;
    ConnectionId peer;
    TimePoint until;  // then another peer is asked
  };
  struct Work {
    std::shared_ptr<Assembly> assembly;
    PieceIndex piece;
    std::uint32_t block;
    ByteView bytes;
    std::uint32_t content;  // bytes of it that are not padding
    bool hash_v1 = false;
    std::optional<Sha256Digest> leaf;
  };
  struct Tracked {
    std::string url;
    unsigned tier = 0;
    bool trusted = false;
    TrackerStatus status;
    TimePoint next;
    unsigned failures = 0;
    bool announced = false;
    std::string tracker_id;
  };

  // --- life (torrent.cc) ---
  void step();
  void rest(std::unique_lock<threads::mutex>& lock);
  void open_content();
  void recheck(std::vector<FileIndex> const& only);
  void make_picker();
  void run_session();
  void session_loop(threads::scope& scope);
  void sync_loop();
  void begin_download(threads::scope& scope);
  void tick(TimePoint now);
  void say_haves();
  void review_seeds(TimePoint now);
  void complete();
  void set_phase(TorrentPhase phase);
  void fail_with(Error error);
  void look_for_room();
  [[nodiscard]] std::uint64_t room_needed() const;
  [[nodiscard]] bool session_over() const;
  [[nodiscard]] bool stopping() const;

  // --- peers (torrent_peers.cc), all with mutex_ held ---
  Result<void> admit(std::shared_ptr<Peer> const& peer);
  void dismiss(Peer& peer);
  void enter_picker(Peer& peer);
  [[nodiscard]] static std::uint64_t name_of(PeerId const& id);
  void update_interest(Peer& peer);
  void fill(Peer& peer);
  void fill_all();
  void give_back_requests(Peer& peer);
  void choke_round(TimePoint now);
  void unchoke_at_once(Peer& peer);
  void look_for_snubs(TimePoint now);
  void ban(PeerSlot slot, std::string const& why);
  [[nodiscard]] Peer* find_peer(PeerSlot slot) const;
  void close_all(std::string const& reason);
  void drop_if_useless(Peer& peer);

  // --- dialling (torrent_dial.cc) ---
  void dial_loop(threads::scope& scope);
  void dial(world::Endpoint endpoint);

  // --- trackers (torrent_announce.cc) ---
  void make_trackers();
  void announce_loop(unsigned tier);
  Duration announce_tier(unsigned tier, AnnounceEvent event);
  Result<Duration> announce(Tracked& tracker, AnnounceEvent event, Deadline deadline);
  void announce_end();

  // --- web seeds (torrent_web_seed.cc) ---
  void web_seed_loop(std::string const& url);
  [[nodiscard]] std::vector<std::string> web_seed_urls() const;
  Result<std::uint64_t> fetch_from_web(WebSeed& seed, PeerSlot slot, RequestWindow& window);
  Result<void> keep_from_web(PeerSlot slot, std::span<Picker::Pick const> picks, ByteView run);

  // --- blocks (torrent_blocks.cc) ---
  Result<void> deliver(Peer& peer, std::vector<ArrivedBlock>& batch);
  void note_arrivals(Peer& peer, std::vector<ArrivedBlock> const& batch);
  std::vector<Work> accept(PeerSlot slot, std::span<ArrivedBlock const> batch);
  void keep(std::vector<Work>& work);
  void plan_hashing(std::vector<Work>& work);
  void hash_batch(std::vector<Work>& work);
  Result<void> write_batch(std::vector<Work> const& work);
  void finish_batch(std::vector<Work> const& work);
  void finish_piece(PieceIndex piece, Assembly& assembly);
  [[nodiscard]] Result<bool> verify(PieceIndex piece, Assembly& assembly);
  [[nodiscard]] Result<bool> verify_v1(PieceIndex piece, Assembly& assembly);
  [[nodiscard]] Result<bool> verify_v2(PieceIndex piece, Assembly& assembly);
  [[nodiscard]] Result<std::vector<Sha256Digest>> digests_on_disk(PieceIndex piece);
  void piece_verified(PieceIndex piece);
  void piece_wrong(PieceIndex piece, Assembly const& assembly, std::vector<Sha256Digest> digests);
  void find_liars(PieceIndex piece, std::vector<Sha256Digest> const& right);
  void lose_batch(std::vector<Work> const& work, Error const& error);
  void disk_trouble(Error const& error);
  [[nodiscard]] std::shared_ptr<Assembly> assembly_of(PieceIndex piece);
  [[nodiscard]] bool verifies_by_v2(PieceIndex piece) const;
  [[nodiscard]] std::uint64_t offset_of(PieceIndex piece, std::uint32_t begin = 0) const;
  [[nodiscard]] Picker::Shape shape(PieceIndex piece) const;

  // --- reads (torrent_read.cc) ---
  Result<void> read_space(std::uint64_t offset, MutableBytes into, Deadline deadline,
                          std::uint8_t priority);
  void want_part(PieceIndex piece, std::uint64_t offset, std::uint64_t length, Deadline deadline,
                 std::uint8_t priority, std::vector<Picker::WantId>& wants);
  void hurry(PieceIndex piece, std::uint32_t first_block, std::uint32_t end_block);
  void make_way(Peer& peer);
  [[nodiscard]] Result<void> why_not() const;
  Result<void> read_for_upload(PieceIndex piece, std::uint32_t begin, MutableBytes into);

  // --- metadata (torrent_metadata.cc) ---
  void ask_for_metadata(Peer& peer);
  Result<void> on_metadata(Peer& peer, MetadataMessage const& message);
  void take_metadata();
  void metadata_arrived();
  TimePoint ask_for_layers(TimePoint now);
  void post_layer_requests(TimePoint now);
  [[nodiscard]] Peer* layer_source(TimePoint now) const;
  [[nodiscard]] bool lacks_layers() const;
  void on_hash_reject(Peer& peer, HashRequest const& request);
  [[nodiscard]] std::vector<HashRequest> layer_requests(FileIndex file) const;

  // --- hashes of v2 (torrent_hashes.cc) ---
  Result<void> on_hash_request(Peer& peer, HashRequest const& request);  // without mutex_
  Result<void> on_hashes(Peer& peer, HashRequest const& request, ByteView payload);
  Result<void> take_layer(Peer& peer, HashRequest const& request,
                          std::vector<Sha256Digest> const& digests);
  Result<void> take_leaves(HashRequest const& request, std::vector<Sha256Digest> const& digests);
  bool check_leaf(PieceIndex piece, std::uint32_t block, Assembly& assembly);
  bool ask_for_leaves(PieceIndex piece);
  [[nodiscard]] std::optional<HashRequest> leaf_request(PieceIndex piece) const;
  [[nodiscard]] std::optional<std::vector<Sha256Digest>> hashes_for(Metainfo const& metainfo,
                                                                    HashRequest const& request);
  [[nodiscard]] std::optional<std::vector<Sha256Digest>> leaves_on_disk(std::uint64_t offset,
                                                                        std::uint64_t length);

  // --- status (torrent_status.cc) ---
  struct Reason {
    std::string why;
    std::string mend;
  };
  [[nodiscard]] TorrentPhase phase_for_others() const;
  [[nodiscard]] Reason reason() const;
  [[nodiscard]] Reason reason_for_waiting() const;
  [[nodiscard]] Reason reason_without_peers() const;
  [[nodiscard]] std::size_t web_seeds_working() const;
  [[nodiscard]] PeerStatus status_of(Peer const& peer) const;

  [[nodiscard]] std::string name() const;  // with mutex_ held

  Engine& engine_;
  InfoHash info_hash_;
  TorrentId id_;
  bool content_is_whole_ = false;
  Magnet magnet_;

  mutable threads::mutex mutex_;
  mutable threads::condition_variable changed_;  // pieces, phase: for those who wait for content
  threads::condition_variable control_;          // for run(): what it has to do has changed
  TorrentRecord record_;
  std::shared_ptr<Metainfo const> metainfo_;
  std::unique_ptr<Store> store_;  // set once; never while readers run
  std::unique_ptr<Picker> picker_;
  TorrentPhase phase_ = TorrentPhase::checking;
  TimePoint since_;
  bool in_session_ = false;
  bool stop_ = false;
  bool verify_ = false;
  bool completed_ = false;          // everything is verified and written
  bool opened_ = false;             // content_is_whole is taken at its word once
  std::optional<Error> disk_full_;  // nothing is asked for while there is no room
  TimePoint disk_full_since_;
  std::optional<world::DiskSpace> space_;
  std::optional<Error> failed_;
  std::uint64_t check_done_ = 0;
  std::uint64_t check_total_ = 0;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::set<PeerId> banned_ids_;
  PeerBook book_;
  std::uint32_t connecting_ = 0;
  threads::condition_variable book_changed_;
  threads::condition_variable sync_due_;
  std::uint64_t next_connection_ = 0;
  BlockPool pool_;
  std::map<std::uint32_t, std::shared_ptr<Assembly>> assemblies_;
  std::map<std::uint32_t, Suspicion> suspicions_;
  std::map<PeerSlot, Departed> departed_;
  std::set<PeerSlot> web_seed_slots_;
  std::map<std::string, WebSeedStatus> web_seeds_;  // those that were begun, by URL
  std::map<std::uint32_t, std::vector<Sha256Digest>>
      leaves_;  // of pieces that somebody reads in part
  std::unique_ptr<Choker> strangers_;
  std::unique_ptr<Choker> friends_;
  TimePoint last_choke_round_;
  TimePoint last_tick_;
  std::vector<std::unique_ptr<Tracked>> trackers_;
  static constexpr auto kHaveInterval = std::chrono::milliseconds{20};  // between tellings of haves
  std::vector<PieceIndex> unsaid_haves_;
  TimePoint haves_said_;
  static constexpr auto kReviewInterval = std::chrono::milliseconds{200};
  TimePoint reviewed_;
  std::uint64_t wasted_ = 0;
  std::uint64_t wrong_ = 0;
  std::atomic<std::uint64_t> downloaded_{0};
  std::atomic<std::uint64_t> uploaded_{0};
  RateMeter down_rate_;
  RateMeter up_rate_;
  Bytes metadata_;  // of a magnet, while it arrives
  std::vector<bool> metadata_have_;
  std::set<ConnectionId> metadata_from_;
  std::map<std::uint32_t, std::vector<std::optional<Sha256Digest>>>
      layers_;  // by file, while they arrive
  std::vector<LayerAsk> layer_asks_;
  bool metadata_to_save_ = false;
  TimePoint metadata_since_;
};

}  // namespace mutirao::swarm
