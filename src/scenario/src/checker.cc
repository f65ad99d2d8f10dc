#include "checker.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/threads/this_thread.h"

namespace mutirao::scenario {
namespace {

/// The store records at the latest a second after it wrote; the sample itself is up to half a
/// second old. A kill takes no more, a power cut what was not synced: that is done every 30 s, and
/// takes long on a slow disk.
constexpr Duration kKillMayTake = 2s;
constexpr Duration kPowerCutMayTake = 40s;
constexpr Duration kLookForWrong = 10s;

bool includes(swarm::Bitfield const& all, swarm::Bitfield const& some, std::size_t& missing) {
  for (std::size_t i = 0; i < some.size(); ++i) {
    if (!some.test(i) || all.test(i)) continue;
    missing = i;
    return false;
  }
  return true;
}

}  // namespace

Checker::Checker(Report& report, swarm::Metainfo const& metainfo, ByteView truth, bool rot)
    : report_{report}, metainfo_{metainfo}, truth_{truth}, rot_{rot}, began_{threads::now()} {}

std::string Checker::content_path() const {
  return fmt::format("{}/{}", kContentFolder, metainfo_.name());
}

void Checker::fail(FailureKind kind, Member const& member, TimePoint now, std::string what) {
  ++report_.failures_total;
  if (report_.failures.size() >= Report::kFailuresMax) return;
  report_.failures.push_back(
      {kind, now - began_, fmt::format("{}: {}", member.host->name(), what)});
}

void Checker::entered(Member& member) {
  member.checked = swarm::Bitfield{metainfo_.piece_count()};
  if (member.durable.size() == 0) member.durable = swarm::Bitfield{metainfo_.piece_count()};
  member.samples.clear();
  if (member.unreadable) may_forget(member);
  member.wrong_told = 0;
}

void Checker::look(Member& member, TimePoint now) {
  auto& swarm = member.node->swarm();
  auto const pieces = swarm.pieces(member.id);
  if (!pieces) return;
  compare_new_claims(member, *pieces, now);
  if (member.must_have) demand_what_was_durable(member, *pieces, now);
  keep_sample(member, *pieces, now);
  // A count that only grows: to look at it now and then is enough, and it is dear.
  if (now - member.wrong_looked >= kLookForWrong) look_for_wrong_bytes(member, now);
}

void Checker::look_for_wrong_bytes(Member& member, TimePoint now) {
  member.wrong_looked = now;
  if (rot_) return;
  auto const status = member.node->swarm().status(member.id);
  if (!status || status->wrong == member.wrong_told) return;
  member.wrong_told = status->wrong;
  fail(FailureKind::wrong_bytes, member, now,
       fmt::format("{} bytes did not match their hash", status->wrong));
}

/// A claim is compared once, when it appears; one that was taken back is compared again.
void Checker::compare_new_claims(Member& member, swarm::Bitfield const& pieces, TimePoint now) {
  if (pieces == member.checked) return;
  for (std::uint32_t piece = 0; piece < pieces.size(); ++piece) {
    if (!pieces.test(piece) || member.checked.test(piece) || member.rotten.contains(piece))
      continue;
    if (!right_on_disk(member, piece))
      fail(FailureKind::wrong_claim, member, now,
           fmt::format("claims piece {}, which is wrong on its disk", piece));
  }
  member.checked = pieces;
}

/// A node that a failing disk has stopped says so, and promises nothing more.
bool Checker::has_given_up(Member const& member) const {
  if (!member.was_unreadable) return false;  // to ask is dear
  auto const status = member.node->swarm().status(member.id);
  return status && status->phase == swarm::TorrentPhase::failed;
}

void Checker::keep_sample(Member& member, swarm::Bitfield const& pieces, TimePoint now) {
  if (member.disk_faults > 0 || has_given_up(member)) {
    member.samples.clear();
    return;
  }
  while (!member.samples.empty() && member.samples.front().at + kPowerCutMayTake <= now) {
    member.durable = std::move(member.samples.front().pieces);
    member.samples.pop_front();
  }
  auto const& last = member.samples.empty() ? member.durable : member.samples.back().pieces;
  if (last != pieces) member.samples.push_back({now, pieces});
}

/// What a restarted node has after it looked at its disk, against what no crash may take.
void Checker::demand_what_was_durable(Member& member, swarm::Bitfield const& pieces,
                                      TimePoint now) {
  auto const status = member.node->swarm().status(member.id);
  if (!status || status->phase == swarm::TorrentPhase::checking ||
      status->phase == swarm::TorrentPhase::metadata ||
      status->phase == swarm::TorrentPhase::failed)
    return;
  std::size_t missing = 0;
  if (!includes(pieces, *member.must_have, missing))
    fail(FailureKind::lost_verified, member, now,
         fmt::format("piece {} was verified long before its crash and is gone", missing));
  member.must_have.reset();
}

void Checker::leaving(Member& member, Ending how, TimePoint now) {
  look_for_wrong_bytes(member, now);
  if (!member.must_have) {
    auto const taken = how == Ending::stopped  ? Duration::zero()
                       : how == Ending::killed ? kKillMayTake
                                               : kPowerCutMayTake;
    for (auto& sample : member.samples)
      if (member.disk_faults == 0 && sample.at + taken <= now)
        member.durable = std::move(sample.pieces);
    for (auto const piece : member.rotten) member.durable.reset(piece);
    member.must_have = member.durable;
  }
  member.samples.clear();
  member.complete = false;
}

void Checker::may_forget(Member& member) {
  member.must_have.reset();
  member.samples.clear();
  member.durable = swarm::Bitfield{metainfo_.piece_count()};
}

void Checker::rotted(Member& member, std::uint32_t piece) {
  member.rotten.insert(piece);
  if (member.durable.size() > 0) member.durable.reset(piece);
  if (member.must_have) member.must_have->reset(piece);
}

bool Checker::claims_rot(Member const& member) {
  auto const pieces = member.node->swarm().pieces(member.id);
  return pieces && std::ranges::any_of(member.rotten, [&](std::uint32_t piece) {
           return pieces->test(piece) && !right_on_disk(member, piece);
         });
}

bool Checker::right_on_disk(Member const& member, std::uint32_t piece) {
  auto const begin = std::uint64_t{piece} * metainfo_.piece_length();
  auto const size = std::min<std::uint64_t>(metainfo_.piece_length(), truth_.size() - begin);
  buffer_.resize(size);
  auto const read = member.host->disk().peek(content_path(), begin, buffer_);
  return read && *read == size && std::ranges::equal(buffer_, truth_.subspan(begin, size));
}

void Checker::look_at_the_end(Member const& member, TimePoint now) {
  for (auto const& path : member.host->disk().files()) {
    if (path != content_path() && !path.starts_with(fmt::format("{}/", kStateFolder)))
      fail(FailureKind::stray_file, member, now, path);
  }
  if (!member.complete) return;
  for (std::uint32_t piece = 0; piece < metainfo_.piece_count(); ++piece) {
    if (right_on_disk(member, piece) || member.rotten.contains(piece)) continue;
    fail(FailureKind::wrong_file, member, now, fmt::format("piece {} is wrong", piece));
    return;
  }
}

}  // namespace mutirao::scenario
