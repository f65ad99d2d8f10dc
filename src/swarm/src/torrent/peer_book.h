#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "mutirao/base/time.h"
#include "mutirao/world/address.h"

namespace mutirao::swarm {

/// The peers of one torrent that somebody has told us of, and which of them to dial next.
///
/// Trackers give away hundreds of addresses, most of them dead; dialling them all again and again
/// is rude and useless. An address that failed is tried again after a while that doubles, up to ten
/// minutes: one is never given up, since whoever has no tracker may know no other. Among those that
/// are due, who failed least comes first, then the order of BEP 40 on which both ends agree.
///
/// Pure; one owner at a time. Bounded: when full, the worst is forgotten.
class PeerBook {
 public:
  static constexpr std::size_t kPeersMax = 2000;

  /// `ours` is what BEP 40 compares with; told again when it becomes known.
  void set_own(world::Endpoint ours);
  /// False when it is no use to dial (port 0, full of better ones, banned).
  bool add(world::Endpoint peer, TimePoint now);
  /// The next one to dial, which is then `busy`.
  [[nodiscard]] std::optional<world::Endpoint> next(TimePoint now);
  /// When the next one is due, if none is now; at times a little before.
  [[nodiscard]] std::optional<TimePoint> next_due() const;

  void connected(world::Endpoint peer);
  /// It could not be reached, or was no use within a moment.
  void failed(world::Endpoint peer, TimePoint now);
  /// A connection of some use has ended.
  void ended(world::Endpoint peer, TimePoint now);
  /// A seed is no use to a seed.
  void set_seed(world::Endpoint peer, bool seed);
  void skip_seeds(bool skip) noexcept;
  /// It lied: never again.
  void ban(world::Endpoint peer);
  [[nodiscard]] bool banned(world::Endpoint peer) const;
  /// It is our own address, which a tracker told us: known, never dialled.
  void is_own(world::Endpoint peer);

  [[nodiscard]] std::size_t size() const noexcept { return peers_.size(); }

 private:
  struct Entry {
    world::Endpoint peer;
    unsigned failures = 0;
    TimePoint due{};
    bool busy = false;
    bool seed = false;
    std::uint32_t priority = 0;
  };
  [[nodiscard]] bool usable(Entry const& entry) const noexcept {
    return !entry.busy && !(entry.seed && skip_seeds_);
  }
  [[nodiscard]] Entry* find(world::Endpoint const& peer);
  Entry& insert(Entry entry);
  void free(Entry& entry, TimePoint due);

  std::vector<Entry> peers_;  ///< sorted: read through often, changed rarely
  std::vector<world::Endpoint> banned_;
  world::Endpoint ours_;
  bool skip_seeds_ = false;
  TimePoint quiet_until_{};  ///< none is due before: the book need not be read through
};

}  // namespace mutirao::swarm
