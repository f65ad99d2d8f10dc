#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/swarm/bitfield.h"
#include "mutirao/swarm/ids.h"

#include "torrent/piece_buckets.h"

namespace mutirao::swarm {

/// A connected peer, as the picker knows it. Never reused within a torrent.
using PeerSlot = std::uint32_t;

/// Decides which block is asked from which peer.
///
/// Asked at random, a torrent ends with many half pieces that nobody can verify or pass on, with
/// the rare pieces gone when the last holder leaves, and with the final blocks waiting for the
/// slowest peer. So there is one order: what somebody waits for, by (deadline, priority); then
/// pieces that are begun; then new ones by (priority, rarity, chance). When nothing is left to ask,
/// a fast peer takes over what a slow one would deliver last, within a budget of 1 % duplicate
/// bytes.
///
/// If each node asked a seed for whatever it lacks, the seed would upload a copy for each, and its
/// line would be the limit of all. So a node takes from the seeds what falls to it by a number that
/// all nodes can compute, and everything else from its neighbours, the peers that came without all
/// of it. Where they don't give enough, being slow, choking or gone, it reaches further: for what
/// falls to one neighbour, to three, in the end for everything (see review). So a seed uploads
/// little more than one copy, and nobody waits long for a neighbour.
///
/// One fast peer fetches a piece alone, as long as there are enough pieces: its blocks lie together
/// on both disks, they arrive in hashing order, and a wrong piece has one culprit. Slow peers share
/// pieces instead, so that pieces get whole.
///
/// Pure policy: no socket, lock or clock. One owner at a time. Opening a piece may look at many
/// pieces; asking for a block never does.
class Picker {
 public:
  /// Bytes of a piece on the wire, and how many of them are not padding: blocks that lie in padding
  /// alone are never asked for.
  struct Shape {
    std::uint32_t size = 0;
    std::uint32_t content = 0;
  };
  struct Options {
    std::uint64_t seed = 0;
    std::uint64_t total_bytes = 0;  ///< what 1 % of duplicates is measured by
    std::uint32_t stripe = 1;       ///< most pieces that one fast peer fetches side by side
    std::uint32_t run_blocks = 2;   ///< blocks in a row from each of these
    std::uint64_t own_name = 0;     ///< what others join() us by
  };
  /// What is known of a peer's speed when blocks are chosen for it.
  struct Pace {
    double bytes_per_s = 0;
    double latency_s = 0.1;
  };

  Picker(std::uint32_t piece_count, std::function<Shape(PieceIndex)> shape, Options options);

  // --- what we have ---
  [[nodiscard]] Bitfield const& have() const noexcept { return have_; }
  void set_have(PieceIndex piece);
  /// A piece that we had is not right (or a new start): all its blocks are free.
  void set_missing(PieceIndex piece);
  /// Blocks that are verified already although their piece is not whole.
  void set_block_have(PieceIndex piece, std::uint32_t block);
  /// 0 to 7; absent: not wanted at all.
  void set_priority(PieceIndex piece, std::optional<std::uint8_t> priority);
  [[nodiscard]] bool wanted(PieceIndex piece) const noexcept {
    return priority_[piece.value] != kUnwanted;
  }
  /// Everything that is wanted is here.
  [[nodiscard]] bool done() const noexcept { return missing_ == 0; }
  [[nodiscard]] std::uint32_t missing() const noexcept { return missing_; }

  // --- peers ---
  /// `name` is any number that all nodes of the swarm know the peer by, such as a part of its peer
  /// id.
  [[nodiscard]] PeerSlot join(std::uint64_t name = 0);
  /// Frees what it was asked for. Gives the pieces that have to begin anew (see solo).
  std::vector<PieceIndex> leave(PeerSlot slot);
  void peer_has(PeerSlot slot, PieceIndex piece);
  void peer_has(PeerSlot slot, Bitfield const& pieces);
  void peer_has_all(PeerSlot slot);
  [[nodiscard]] bool peer_has_piece(PeerSlot slot, PieceIndex piece) const;
  [[nodiscard]] std::uint32_t peer_count(PeerSlot slot) const;
  /// It has a piece that we want.
  [[nodiscard]] bool interesting(PeerSlot slot) const;
  /// How many peers have the piece.
  [[nodiscard]] std::uint32_t availability(PieceIndex piece) const noexcept {
    return availability_[piece.value] + seeds_;
  }
  /// A wanted, missing piece that no peer has, and how many there are.
  [[nodiscard]] std::pair<std::optional<PieceIndex>, std::uint32_t> unavailable() const;
  void set_pace(PeerSlot slot, Pace pace);
  /// Whether some seed is asked for a part only, because there are neighbours.
  [[nodiscard]] bool spares_seeds() const noexcept {
    return origins_ > 0 && neighbours() > 0 && !done();
  }
  /// To be called every now and then while seeds are spared, with the time since the last call.
  /// True when seeds may be asked for more than before.
  bool review(double seconds);
  /// It gives nothing at present: its blocks are for the taking.
  void set_snubbed(PeerSlot slot, bool snubbed);
  /// A suspect shares no piece with others, so that the next wrong one tells.
  void set_suspect(PeerSlot slot, bool suspect);

  // --- choosing ---
  struct Pick {
    BlockRange range;
    std::optional<PeerSlot> taken_from;  ///< asked from that one before
  };
  /// Up to `count` blocks for a peer that does not choke us; appends. With `only`, pieces for which
  /// it is false are left alone (allowed-fast sets).
  void pick(PeerSlot slot, std::size_t count, std::vector<Pick>& out,
            std::function<bool(PieceIndex)> const& only = {});

  /// A block for a deadline read, chosen by the caller: false when it is here, or asked already
  /// from as many peers as allowed.
  bool take(PeerSlot slot, PieceIndex piece, std::uint32_t block);
  enum class BlockState : std::uint8_t { free, asked, here };
  [[nodiscard]] BlockState block_state(PieceIndex piece, std::uint32_t block) const;
  [[nodiscard]] std::vector<PeerSlot> asked_from(PieceIndex piece, std::uint32_t block) const;
  [[nodiscard]] std::uint32_t blocks_in(PieceIndex piece) const;
  [[nodiscard]] BlockRange range_of(PieceIndex piece, std::uint32_t block) const;

  /// Blocks that somebody waits for: before everything else, by (deadline, priority).
  using WantId = std::uint64_t;
  WantId add_want(PieceIndex piece, std::uint32_t first_block, std::uint32_t end_block,
                  Deadline deadline, std::uint8_t priority);
  void remove_want(WantId id);
  [[nodiscard]] bool any_want() const noexcept { return !wants_.empty(); }

  // --- what became of it ---
  enum class Arrival : std::uint8_t { wanted, duplicate, unknown };
  /// A block came. `wanted` also when it was not asked from this peer but is missing in a piece
  /// that is begun. `others` are those who were asked for it too.
  Arrival arrived(PeerSlot slot, BlockRange range, std::vector<PeerSlot>& others);
  /// Not coming: rejected, choked, timed out, cancelled.
  void give_back(PeerSlot slot, BlockRange range);
  /// All blocks of the piece have arrived.
  [[nodiscard]] bool complete(PieceIndex piece) const;
  /// Its hash was wrong: all blocks are free, and from now on one peer alone fetches it.
  void begin_anew(PieceIndex piece);
  /// A block that arrived but could not be kept.
  void lose_block(PieceIndex piece, std::uint32_t block);
  [[nodiscard]] bool begun(PieceIndex piece) const noexcept {
    return active_.contains(piece.value);
  }
  [[nodiscard]] std::size_t pieces_begun() const noexcept { return active_.size(); }
  [[nodiscard]] std::uint64_t duplicate_bytes() const noexcept { return duplicate_bytes_; }

 private:
  static constexpr std::uint8_t kUnwanted = 0xff;
  static constexpr std::uint32_t kNoPiece = ~0u;
  static constexpr PeerSlot kNobody = ~0u;

  struct Block {
    BlockState state = BlockState::free;
    bool stolen = false;        // asked from another before, who may still send it
    PeerSlot first = kNobody;   // asked from; once here: who sent it
    PeerSlot second = kNobody;  // asked from this one too
  };
  struct Active {
    std::uint32_t piece = 0;
    Shape shape;
    std::vector<Block> blocks;  // those with content only
    std::uint32_t free = 0;
    std::uint32_t here = 0;
    PeerSlot lead = kNobody;  // fetches it alone, if it is fast enough
    bool solo = false;        // nobody but the lead may help
    std::uint32_t scan = 0;   // no free block before this one
  };
  struct Peer {
    Bitfield pieces;
    bool all = false;
    bool origin = false;       // came with all of it; who got it from us or others is a neighbour
    std::uint32_t wanted = 0;  // pieces it has that we miss
    std::uint32_t fresh = 0;   // and that nobody has begun
    Pace pace;
    std::uint64_t name = 0;
    bool snubbed = false;
    bool suspect = false;
    std::uint32_t in_flight = 0;  // blocks
    std::uint32_t cursor = 0;     // the piece of its stripe that had the last turn
  };
  struct Want {
    std::uint32_t piece;
    std::uint32_t first;
    std::uint32_t end;
  };
  using WantKey = std::tuple<TimePoint, std::uint8_t, WantId>;  // priority inverted
  using Only = std::function<bool(PieceIndex)>;

  [[nodiscard]] Peer& peer(PeerSlot slot);
  [[nodiscard]] Peer const& peer(PeerSlot slot) const;
  [[nodiscard]] static bool has(Peer const& peer, std::uint32_t piece) noexcept {
    return peer.all || (peer.pieces.size() > 0 && peer.pieces.test(piece));
  }
  [[nodiscard]] bool missing_piece(std::uint32_t piece) const noexcept {
    return priority_[piece] != kUnwanted && !have_.test(piece);
  }
  Active& open(std::uint32_t piece);
  void close(std::uint32_t piece);
  void shelve(std::uint32_t piece);    // into the buckets
  void unshelve(std::uint32_t piece);  // out of them
  void count_wanted(std::uint32_t piece, std::int32_t change);
  void changed_availability(std::uint32_t piece);
  void ask(Active& active, std::uint32_t block, PeerSlot slot, Peer& peer);
  bool forget_asked(Block& block, PeerSlot slot);
  void free_block(Active& active, std::uint32_t block);
  void shelve_if_untouched(std::uint32_t piece);
  [[nodiscard]] Active* find_active(PieceIndex piece);
  [[nodiscard]] Active const* find_active(PieceIndex piece) const;
  [[nodiscard]] bool may_help(Active const& active, PeerSlot slot, Peer const& peer) const;
  [[nodiscard]] bool slow_for(std::uint32_t piece_bytes, Peer const& peer) const;
  [[nodiscard]] std::uint32_t stripe_for(Peer const& peer) const;
  /// One call of pick(), on its way through the order.
  struct Turn {
    PeerSlot slot;
    Peer& peer;
    std::size_t count;  // still to pick
    std::vector<Pick>& out;
    Only const& only;
    [[nodiscard]] bool allows(std::uint32_t piece) const {
      return has(peer, piece) && (!only || only(PieceIndex{piece}));
    }
  };
  void take_run(Turn& turn, Active& active, std::size_t blocks_max);
  void pick_wants(Turn& turn);
  void pick_led(Turn& turn);
  void pick_shared(Turn& turn, bool any_lead);
  void pick_stolen(Turn& turn);
  Active* open_for(Turn& turn);
  [[nodiscard]] std::uint32_t open_from_origin(Turn const& turn);
  [[nodiscard]] bool within_reach(std::uint32_t piece) const;
  [[nodiscard]] std::size_t neighbours() const noexcept { return peers_.size() - origins_; }
  [[nodiscard]] bool reaches_all() const noexcept { return reach_ >= neighbours(); }
  [[nodiscard]] bool neighbour_has(std::uint32_t piece) const noexcept {
    return availability_[piece] + (seeds_ - origins_) > 0;
  }
  [[nodiscard]] bool duplicates_allowed() const noexcept;
  [[nodiscard]] double wait_of(Peer const& peer) const noexcept;

  std::function<Shape(PieceIndex)> shape_;
  Options options_;
  Bitfield have_;
  std::vector<std::uint8_t> priority_;
  std::vector<std::uint16_t> availability_;  // without those who have all
  std::uint32_t seeds_ = 0;
  std::uint32_t origins_ = 0;
  std::size_t reach_ =
      0;  // a piece may be asked from an origin when no more neighbours come before us
  bool reached_ = false;    // everything within reach is begun
  bool held_back_ = false;  // an origin could give us more than it is asked for
  // For review(), since the last one and of late.
  std::uint64_t from_neighbours_ = 0;  // bytes
  std::uint64_t from_origins_ = 0;
  double seeds_gave_ = 0;  // bytes/s
  std::uint32_t good_rounds_ = 0;
  std::uint32_t poor_rounds_ = 0;
  std::uint32_t missing_ = 0;
  PieceBuckets buckets_;
  std::map<std::uint32_t, Active> active_;
  std::map<PeerSlot, Peer> peers_;
  PeerSlot next_slot_ = 0;
  std::map<WantKey, Want> wants_;
  WantId next_want_ = 0;
  std::set<std::uint32_t> solo_;  // pieces that were wrong once
  std::uint64_t duplicate_bytes_ = 0;
  std::uint64_t stolen_ = 0;  // blocks asked a second time at present
};

}  // namespace mutirao::swarm
