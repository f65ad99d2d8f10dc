#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// Connections that we make: whom, when, and the handshake.
namespace mutirao::swarm {

namespace {
constexpr std::uint32_t kConnectingMax = 16;
constexpr auto kConnectMax = std::chrono::seconds{10};
constexpr auto kUsefulAfter = std::chrono::seconds{60};
}  // namespace

Sha1Digest Torrent::wire_hash() const {
  return info_hash_.v1 ? *info_hash_.v1 : *info_hash_.v2_truncated();
}

Handshake Torrent::our_handshake(Sha1Digest const& hash) const {
  return {.info_hash = hash,
          .peer_id = engine_.peer_id,
          .extended = true,
          .fast = true,
          .v2 = info_hash_.v2.has_value()};
}

void Torrent::add_peers(std::span<world::Endpoint const> peers) {
  std::lock_guard const lock{mutex_};
  auto const now = engine_.world.clock().now();
  for (auto const& peer : peers) book_.add(peer, now);
  book_changed_.notify_all();
}

void Torrent::dial_loop(threads::scope& scope) {
  std::unique_lock lock{mutex_};
  auto const ours_max =
      std::max<std::size_t>(1, engine_.options.connections_per_torrent_max * 3 / 4);
  while (!threads::stop_requested()) {
    auto const now = engine_.world.clock().now();
    auto until = Deadline::never();
    if (connecting_ < kConnectingMax && peers_.size() + connecting_ < ours_max && !disk_full_) {
      if (auto const endpoint = book_.next(now)) {
        ++connecting_;
        scope.spawn("peer", [this, endpoint = *endpoint] { dial(endpoint); }, {.isolated = true});
        continue;
      }
      if (auto const due = book_.next_due()) until = Deadline::at(*due);
    } else if (disk_full_) {
      until = Deadline::at(now + std::chrono::seconds{1});
    }
    auto const waited = book_changed_.wait(lock, until);
    if (!waited && waited.error().fault == Fault::cancelled) return;
  }
}

void Torrent::dial(world::Endpoint endpoint) {
  auto connected = [&]() -> Result<Handshake> {
    ConnectionPermit const permit{engine_};
    if (!permit) return fail(Fault::exhausted, "too many connections");
    auto stream = MUT_TRY(engine_.world.network().connect(endpoint, {.from = engine_.options.from},
                                                          threads::within(kConnectMax)));
    auto const deadline = threads::within(kHandshakeMax);
    std::array<std::uint8_t, kHandshakeBytes> bytes;
    write_handshake(bytes, our_handshake(wire_hash()));
    MUT_TRY(stream->write_all(bytes, deadline));
    MUT_TRY(stream->read_exactly(bytes, deadline));
    auto const theirs = MUT_TRY(parse_handshake(bytes));
    if (!info_hash_.matches(theirs.info_hash))
      return fail(Fault::refused, "it answered for another torrent");
    {
      std::lock_guard const lock{mutex_};
      --connecting_;
    }
    auto const begun = engine_.world.clock().now();
    auto const error = run_peer(std::move(stream), theirs, false, endpoint, {});
    std::lock_guard const lock{mutex_};
    ++connecting_;  // for the common way out
    if (engine_.world.clock().now() - begun < kUsefulAfter && error.fault == Fault::refused)
      return std::unexpected{error};
    return theirs;
  }();
  std::lock_guard const lock{mutex_};
  --connecting_;
  auto const now = engine_.world.clock().now();
  if (connected) {
    book_.ended(endpoint, now);
  } else {
    book_.failed(endpoint, now);
  }
  book_changed_.notify_all();
}

}  // namespace mutirao::swarm
