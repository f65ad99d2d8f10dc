#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/world/address.h"

#include "tracker/tracker_peer_list.h"

namespace mutirao::swarm {

/// Small and fast random numbers for choosing peers; nothing secret hangs on them (splitmix64).
class PickRandom {
 public:
  explicit PickRandom(std::uint64_t seed) noexcept : state_{seed} {}
  /// Uniform enough in [0, bound), bound > 0 and below 2^32.
  [[nodiscard]] std::uint32_t below(std::uint64_t bound) noexcept {
    state_ += 0x9e3779b97f4a7c15;
    auto z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return static_cast<std::uint32_t>(((z >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

/// How far an address can be reached from. A peer hears only of peers that it can reach: one on the
/// public net has no use for our loopback or private addresses, and no business to learn them.
enum class Scope : std::uint8_t { loopback, internal, open };
[[nodiscard]] Scope scope_of(world::IpAddress const& address) noexcept;

/// The peers of one torrent.
///
/// Pure: no clock, lock or socket inside; time is seconds of the owner's own count. One owner at a
/// time.
class TrackerSwarm {
 public:
  struct Update {
    world::Endpoint peer;
    bool seed = false;
    bool stopped = false;
    bool completed = false;
  };
  /// Refuses (false) a peer that would be one more than `peers_max`.
  bool update(Update const& update, std::uint32_t now_s, std::size_t peers_max, SipKey const& key);
  /// Forgets who was not seen since then. Cheap when called again in the same minute.
  void expire(std::uint32_t before_s, std::uint32_t now_s, SipKey const& key);

  struct Wish {
    world::Endpoint asker;
    bool seed = false;  ///< wants no other seeds
    bool v6 = false;    ///< the family to answer with
    std::size_t wanted = 0;
  };
  /// Appends up to `wanted` different peers in compact form, drawn at random; never the asker.
  void pick(Wish const& wish, PickRandom& random, Bytes& out) const;

  /// Where the tracker's own node serves this torrent: in every answer, first, and never forgotten.
  void set_own(std::vector<world::Endpoint> endpoints, bool seed);

  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] std::size_t seeds() const noexcept;
  [[nodiscard]] std::uint32_t completed() const noexcept { return completed_; }
  [[nodiscard]] bool has_own() const noexcept { return !own_.empty(); }
  [[nodiscard]] bool own_is_seed() const noexcept { return own_is_seed_; }
  [[nodiscard]] std::size_t memory_bytes() const noexcept;
  /// Every peer and whether it is a seed, without our own.
  template <class Visit>
  void each(Visit&& visit) const {
    for (auto const& list : v4_) each_in(list, visit);
    for (auto const& list : v6_) each_in(list, visit);
  }
  [[nodiscard]] bool contains(world::Endpoint const& peer, SipKey const& key) const;

 private:
  static constexpr std::size_t kScopes = 3;
  using V4 = std::array<PeerList<6>, kScopes>;
  using V6 = std::array<PeerList<18>, kScopes>;

  template <class List, class Visit>
  static void each_in(List const& list, Visit&& visit) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto const compact = ByteView{list.at(i)};
      auto const address = world::IpAddress::from_bytes(compact.first(compact.size() - 2));
      visit(world::Endpoint{*address,
                            base::load_be<std::uint16_t>(compact.subspan(compact.size() - 2))},
            i < list.seeds());
    }
  }

  V4 v4_;
  V6 v6_;
  std::vector<world::Endpoint> own_;
  bool own_is_seed_ = false;
  std::uint32_t completed_ = 0;
  std::uint32_t expired_at_s_ = 0;
};

}  // namespace mutirao::swarm
