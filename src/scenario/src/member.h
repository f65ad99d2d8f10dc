#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "mutirao/sim/host.h"
#include "mutirao/swarm/bitfield.h"
#include "mutirao/swarm/swarm.h"

#include "places.h"
#include "swarm_node.h"
#include "timeline.h"

namespace mutirao::scenario {

struct Traffic {
  std::uint64_t downloaded = 0;
  std::uint64_t uploaded = 0;
  std::uint64_t wasted = 0;
  std::uint64_t wrong = 0;
};

/// What is known of one peer that fetches, its node's incarnations together.
struct Member {
  std::uint32_t number = 0;
  Place place;
  sim::Host* host = nullptr;     ///< of its place
  std::vector<FaultEvent> life;  ///< churn, kill and crash: what its own thread does

  std::shared_ptr<SwarmNode> node;  ///< null while it is down
  swarm::TorrentId id;              ///< empty until it was added
  TimePoint arrived{};
  std::optional<Duration> first_complete;
  bool complete = false;  ///< now

  // Of incarnations that have ended; and what the present one began with.
  Traffic ended;
  std::uint64_t downloaded_before = 0;
  std::uint64_t uploaded_before = 0;

  // For the checker.
  struct Sample {
    TimePoint at;
    swarm::Bitfield pieces;
  };
  swarm::Bitfield checked;     ///< claims whose bytes were compared in this incarnation
  std::deque<Sample> samples;  ///< claims that may still be lost by a crash, oldest first
  swarm::Bitfield durable;     ///< claims that no crash may take
  std::optional<swarm::Bitfield> must_have;  ///< after a restart: what was durable at its end
  bool added_well = false;                   ///< the torrent was added while its disk had no fault
  unsigned disk_faults = 0;                  ///< that last now
  bool unreadable = false;                   ///< one of them: reads fail by chance
  bool was_unreadable = false;
  std::set<std::uint32_t> rotten;  ///< pieces in which a bit was turned over
  TimePoint wrong_looked{};
  std::uint64_t wrong_told = 0;
};

}  // namespace mutirao::scenario
