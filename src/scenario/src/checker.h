#pragma once

#include "mutirao/scenario/run.h"
#include "mutirao/sim/simulation.h"
#include "mutirao/swarm/metainfo.h"

#include "member.h"

namespace mutirao::scenario {

/// Looks at peers from outside, all along a run, for what must never happen.
class Checker {
 public:
  /// `truth`: the content of the file. `rot`: bits of it turn over in this run.
  Checker(Report& report, swarm::Metainfo const& metainfo, ByteView truth, bool rot);

  /// Begins the account of a new incarnation.
  void entered(Member& member);
  /// Looks at a member that is up; call it at least twice a second.
  void look(Member& member, TimePoint now);
  enum class Ending : std::uint8_t { stopped, killed, power_cut };
  void leaving(Member& member, Ending how, TimePoint now);
  /// Its disk refuses reads: what it can't read after a restart it may fetch again.
  void may_forget(Member& member);
  /// A bit of the file was turned over: that piece may be lost, and is not looked at.
  void rotted(Member& member, std::uint32_t piece);
  /// It claims a piece that rotted and was not mended.
  [[nodiscard]] bool claims_rot(Member const& member);
  /// At the end of all.
  void look_at_the_end(Member const& member, TimePoint now);
  void fail(FailureKind kind, Member const& member, TimePoint now, std::string what);
  [[nodiscard]] std::string content_path() const;

 private:
  void look_for_wrong_bytes(Member& member, TimePoint now);
  void compare_new_claims(Member& member, swarm::Bitfield const& pieces, TimePoint now);
  [[nodiscard]] bool has_given_up(Member const& member) const;
  void keep_sample(Member& member, swarm::Bitfield const& pieces, TimePoint now);
  void demand_what_was_durable(Member& member, swarm::Bitfield const& pieces, TimePoint now);
  [[nodiscard]] bool right_on_disk(Member const& member, std::uint32_t piece);

  Report& report_;
  swarm::Metainfo const& metainfo_;
  ByteView truth_;
  bool rot_;
  TimePoint began_;
  Bytes buffer_;
};

}  // namespace mutirao::scenario
