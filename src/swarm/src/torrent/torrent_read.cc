#include <algorithm>

#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// Verified reads: what is here is read from disk; what is not is asked for in the call that wants
// it.
namespace mutirao::swarm {

namespace {
// A block is asked from a second peer when that one should have it so much sooner.
constexpr double kSecondFactor = 2;
constexpr double kSecondMargin_s = 0.02;
}  // namespace

Result<void> Torrent::read_for_upload(PieceIndex piece, std::uint32_t begin, MutableBytes into) {
  auto read = store_->read(offset_of(piece, begin), into);
  if (!read && read.error().fault != Fault::cancelled) disk_trouble(read.error());
  return read;
}

/// Success while the torrent may still get what is missing.
Result<void> Torrent::why_not() const {
  if (failed_) return std::unexpected{*failed_};
  if (stop_) return fail(Fault::cancelled, fmt::format("{} was removed", name()));
  if (record_.paused) {
    return fail(Fault::refused, fmt::format("{} is paused", name()),
                fmt::format("mutirao swarm resume {}", id_.substr(0, 12)));
  }
  return {};
}

Result<void> Torrent::read(FileIndex file, std::uint64_t offset, MutableBytes into,
                           Deadline deadline, std::uint8_t priority) {
  auto const metainfo = MUT_TRY(wait_for_metainfo(deadline));
  auto const files = metainfo->files();
  if (file.value >= files.size())
    return fail(Fault::not_found,
                fmt::format("{} has no file number {}", metainfo->name(), file.value));
  auto const& wanted = files[file.value];
  if (offset > wanted.length || into.size() > wanted.length - offset) {
    return fail(Fault::invalid, fmt::format("{} ends at byte {}", wanted.path, wanted.length));
  }
  if (into.empty()) return {};
  return read_space(wanted.offset + offset, into, deadline, priority);
}

Result<void> Torrent::read_space(std::uint64_t offset, MutableBytes into, Deadline deadline,
                                 std::uint8_t priority) {
  std::vector<Picker::WantId> wants;
  std::unique_lock lock{mutex_};
  auto const ready = [&] { return store_ && (store_->has(offset, into.size()) || picker_); };
  while (!ready()) {
    MUT_TRY(why_not());
    MUT_TRY(changed_.wait(lock, deadline));
  }
  if (!store_->has(offset, into.size())) {
    auto const length = metainfo_->piece_length();
    auto const first = static_cast<std::uint32_t>(offset / length);
    auto const last = static_cast<std::uint32_t>((offset + into.size() - 1) / length);
    auto result = Result<void>{};
    Picker const* asked = nullptr;
    while (!store_->has(offset, into.size()) && result) {
      // A recheck makes a new picker, which knows nothing of our wants.
      if (picker_ && picker_.get() != asked) {
        asked = picker_.get();
        wants.clear();
        for (auto piece = first; piece <= last; ++piece)
          want_part(PieceIndex{piece}, offset, into.size(), deadline, priority, wants);
        if (!web_seed_slots_.empty()) book_changed_.notify_all();
      }
      result = why_not();
      if (result) result = changed_.wait(lock, deadline);
    }
    if (picker_ && picker_.get() == asked) {
      for (auto const want : wants) picker_->remove_want(want);
    }
    if (!result && !store_->has(offset, into.size())) {
      auto error = std::move(result).error();
      if (error.fault == Fault::timed_out)
        error.what = fmt::format("{}: {}", name(), reason_for_waiting().why);
      return std::unexpected{std::move(error)};
    }
  }
  lock.unlock();
  return store_->read(offset, into);
}

/// What is wanted of one piece: by v2 only the blocks of the range, each of which counts by itself,
/// and the rest behind them; by v1 all of it, as nothing less can be verified.
void Torrent::want_part(PieceIndex piece, std::uint64_t offset, std::uint64_t length,
                        Deadline deadline, std::uint8_t priority,
                        std::vector<Picker::WantId>& wants) {
  if (picker_->have().test(piece.value)) return;
  if (!picker_->wanted(piece)) picker_->set_priority(piece, priority);
  auto const blocks = picker_->blocks_in(piece);
  auto const start = offset_of(piece);
  auto const first =
      offset <= start ? 0 : static_cast<std::uint32_t>((offset - start) / kBlockBytes);
  auto const end =
      std::min<std::uint64_t>(blocks, (offset + length - start + kBlockBytes - 1) / kBlockBytes);
  if (ask_for_leaves(piece)) {
    wants.push_back(
        picker_->add_want(piece, first, static_cast<std::uint32_t>(end), deadline, priority));
    hurry(piece, first, static_cast<std::uint32_t>(end));
  } else {
    wants.push_back(picker_->add_want(piece, 0, blocks, deadline, priority));
    hurry(piece, 0, blocks);
  }
}

/// Asks for blocks at once, each from the peer that should deliver it soonest.
void Torrent::hurry(PieceIndex piece, std::uint32_t first_block, std::uint32_t end_block) {
  struct Candidate {
    Peer* peer;
    double wait;  // until what it was asked for has come
    double per_block;
    std::vector<BlockRange> ranges;
  };
  std::vector<Candidate> candidates;
  for (auto const& peer : peers_) {
    auto const& shared = peer->shared;
    if (!shared.in_picker || shared.they_choke || shared.snubbed ||
        !picker_->peer_has_piece(shared.slot, piece))
      continue;
    make_way(*peer);
    auto const rate = std::max(shared.window.bytes_per_s(), 64.0 * 1024);
    auto const per_block = kBlockBytes / rate;
    candidates.push_back(
        {peer.get(),
         shared.window.latency_s() + static_cast<double>(shared.in_flight.size()) * per_block,
         per_block,
         {}});
  }
  if (candidates.empty()) return;
  auto const now = engine_.world.clock().now();
  for (auto block = first_block; block < end_block; ++block) {
    auto const state = picker_->block_state(piece, block);
    if (state == Picker::BlockState::here) continue;
    auto best = std::ranges::min_element(
        candidates, {}, [](Candidate const& each) { return each.wait + each.per_block; });
    if (state == Picker::BlockState::asked) {
      auto soonest = 1e9;
      for (auto const slot : picker_->asked_from(piece, block)) {
        for (auto const& each : candidates) {
          if (each.peer->shared.slot == slot) soonest = std::min(soonest, each.wait);
        }
      }
      if (soonest < (best->wait + best->per_block) * kSecondFactor + kSecondMargin_s) continue;
    }
    if (!picker_->take(best->peer->shared.slot, piece, block)) continue;
    best->ranges.push_back(picker_->range_of(piece, block));
    best->wait += best->per_block;
  }
  for (auto& each : candidates) {
    if (each.ranges.empty()) continue;
    auto& shared = each.peer->shared;
    if (shared.in_flight.empty()) shared.last_block = now;
    for (auto const& range : each.ranges) shared.in_flight.push_back({range, now});
    each.peer->outbox.post(17 * each.ranges.size(), [&](MessageWriter& writer) {
      for (auto const& range : each.ranges) writer.about_block(MessageType::request, range);
    });
  }
}

/// Takes back bulk requests beyond the short queue that is kept while somebody waits.
void Torrent::make_way(Peer& peer) {
  auto& shared = peer.shared;
  auto const keep = shared.window.blocks(true, shared.requests_max);
  while (shared.in_flight.size() > 2 * keep) {
    auto const range = shared.in_flight.back().range;
    shared.in_flight.pop_back();
    picker_->give_back(shared.slot, range);
    peer.post_block(MessageType::cancel, range);
  }
}

}  // namespace mutirao::swarm
