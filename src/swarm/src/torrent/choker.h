#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/base/strong.h"
#include "mutirao/base/time.h"
#include "mutirao/world/entropy.h"

namespace mutirao::swarm {

/// One connection to a peer, never reused while the torrent lives.
using ConnectionId = base::Strong<struct ConnectionIdTag, std::uint64_t>;

/// What a choker needs to know of a peer.
struct ChokerPeer {
  ConnectionId id;
  bool interested = false;      ///< it wants something that we have
  bool unchoked = false;        ///< now
  bool snubbed = false;         ///< it owes us blocks and gave none for a minute (BEP 3)
  double bytes_per_s_from = 0;  ///< it gives us
  double bytes_per_s_to = 0;    ///< it takes from us
  TimePoint connected_at;
};

/// Decides which interested peers we upload to.
///
/// Uploading to everyone at once starves TCP and rewards free riders; uploading to few leaves
/// newcomers with nothing to trade. Whose interest is served depends on who the others are, so
/// there are two policies behind this interface. A torrent with both kinds of peers asks one choker
/// for each.
///
/// Pure policy: no clock, socket or lock inside; the same inputs give the same answer. One owner at
/// a time. The owner calls pick() every 10 s: choking and unchoking more often than that makes TCP
/// ramp up and down for nothing. Between the rounds it may unchoke a peer that becomes interested
/// while fewer than slots() are unchoked, so that nobody waits for a round in an idle torrent.
class Choker {
 public:
  virtual ~Choker() = default;
  /// The peers to unchoke until the next round, best first, at most slots(); all others are choked.
  /// `seeding`: we have everything that we want.
  [[nodiscard]] virtual std::vector<ConnectionId> pick(std::span<ChokerPeer const> peers,
                                                       bool seeding, TimePoint now) = 0;
  [[nodiscard]] virtual std::size_t slots() const noexcept = 0;
};

/// For strangers: who gives, gets (BEP 3, "Choking and Optimistic Unchoking").
///
/// While we leech, the slots go to those who give us most; one slot is *optimistic*: it goes round,
/// at random, so that newcomers can prove themselves, and a peer that connected lately is three
/// times as likely to get it. While we seed nobody can give us anything: half of the slots go to
/// those who take fastest, which spreads the content soonest, the other half in turns to who waited
/// longest, so that no fast peer can hold a seed for itself.
class TitForTat final : public Choker {
 public:
  struct Options {
    std::size_t unchoked_max = 8;                  ///< the optimistic slot included; at least 2
    std::chrono::seconds optimistic_interval{30};  ///< how long a peer holds the optimistic slot
    std::chrono::seconds newcomer_age{60};         ///< connected for less: a newcomer
    unsigned newcomer_weight = 3;
    std::chrono::seconds seeding_turn{30};  ///< how long a turn lasts while seeding
  };
  TitForTat(Options options, world::Entropy& entropy);  ///< `entropy` outlives this

  [[nodiscard]] std::vector<ConnectionId> pick(std::span<ChokerPeer const> peers, bool seeding,
                                               TimePoint now) override;
  [[nodiscard]] std::size_t slots() const noexcept override { return options_.unchoked_max; }

 private:
  using Ranked = std::vector<ChokerPeer const*>;
  void take_best_givers(Ranked& waiting, std::vector<ConnectionId>& picked) const;
  void take_fastest_and_turns(Ranked& waiting, std::vector<ConnectionId>& picked, TimePoint now);
  void take_optimistic(Ranked& waiting, std::vector<ConnectionId>& picked, TimePoint now);
  void forget_absent(std::span<ChokerPeer const> peers);

  struct Turn {
    TimePoint began;  // of its present or last turn
    bool running = false;
  };
  Options options_;
  world::Entropy& entropy_;
  std::optional<ConnectionId> optimistic_;
  TimePoint optimistic_since_;
  std::map<ConnectionId, Turn> turns_;  // while seeding
};

/// For peers of our own network: all want the same thing, so nobody is choked for what it gave. Who
/// is interested is unchoked, up to a limit that keeps TCP alive; who is served keeps its slot
/// until it has what it wants, and then the one that connected first follows.
class Cooperative final : public Choker {
 public:
  explicit Cooperative(std::size_t unchoked_max = 32) noexcept : unchoked_max_{unchoked_max} {}
  [[nodiscard]] std::vector<ConnectionId> pick(std::span<ChokerPeer const> peers, bool seeding,
                                               TimePoint now) override;
  [[nodiscard]] std::size_t slots() const noexcept override { return unchoked_max_; }

 private:
  std::size_t unchoked_max_;
};

}  // namespace mutirao::swarm
