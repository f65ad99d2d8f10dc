#include <algorithm>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// The peers of a torrent: who is let in, what is asked from whom, who is choked.
namespace mutirao::swarm {

namespace {
constexpr auto kSnubAfter = std::chrono::seconds{20};
constexpr auto kDialledAtOnce = std::chrono::seconds{1};
constexpr std::size_t kDepartedMax = 1000;
constexpr std::uint32_t kRejectsMax = 256;
constexpr std::uint32_t kSnubbedBlocks = 1;
}  // namespace

/// The picker knows nodes by the end of their peer id, where chance is.
std::uint64_t Torrent::name_of(PeerId const& id) {
  return base::load_be<std::uint64_t>(ByteView{id}.last(8));
}

Error Torrent::run_peer(std::unique_ptr<world::Stream> stream, Handshake const& theirs,
                        bool incoming, world::Endpoint endpoint, ByteView read_ahead) {
  std::shared_ptr<Peer> peer;
  {
    std::lock_guard const lock{mutex_};
    peer = std::make_shared<Peer>(engine_, shared_from_this(), std::move(stream), theirs, incoming,
                                  endpoint, ConnectionId{next_connection_++});
    if (auto const admitted = admit(peer); !admitted) return admitted.error();
  }
  auto error = peer->run(read_ahead);
  std::lock_guard const lock{mutex_};
  dismiss(*peer);
  engine_.world.log().debug("swarm", "{}: {} gone: {}", name(), endpoint.to_string(), error.what);
  return error;
}

bool Torrent::accepts_peers(Deadline deadline) const {
  std::unique_lock lock{mutex_};
  static_cast<void>(changed_.wait(
      lock, [this] { return in_session_ || record_.paused || failed_ || stop_; }, deadline));
  return in_session_;
}

Result<void> Torrent::admit(std::shared_ptr<Peer> const& peer) {
  auto const& id = peer->handshake().peer_id;
  if (!in_session_) return fail(Fault::refused, "the torrent is not active");
  if (id == engine_.peer_id) {
    if (!peer->incoming()) book_.is_own(peer->endpoint());
    return fail(Fault::refused, "connected to ourselves");
  }
  if (book_.banned(peer->endpoint()) || banned_ids_.contains(id))
    return fail(Fault::refused, "banned for wrong data");
  auto const now = engine_.world.clock().now();
  for (auto const& other : peers_) {
    if (other->handshake().peer_id != id) continue;
    // Both ends may have dialled at once; both must keep the same one of the two connections. Who
    // dials later finds one that is in use.
    auto const initiator = [&](Peer const& each) { return each.incoming() ? id : engine_.peer_id; };
    auto const in_use = now - other->shared.connected_at > kDialledAtOnce;
    if (in_use || other->incoming() == peer->incoming() || initiator(*other) > initiator(*peer)) {
      return fail(Fault::refused, "connected to that peer already");
    }
    other->close("replaced by the other connection to that peer");
    break;
  }
  if (peers_.size() >= engine_.options.connections_per_torrent_max) {
    return fail(Fault::exhausted, "too many connections for this torrent");
  }
  peer->shared.connected_at = now;
  peer->shared.last_block = now;
  peer->last_message_ns = now.time_since_epoch().count();
  peers_.push_back(peer);
  if (picker_) enter_picker(*peer);
  // In the same step: no `have` of a piece may overtake the list of pieces.
  peer->say_hello();
  if (lacks_layers()) post_layer_requests(now);
  changed_.notify_all();
  return {};
}

void Torrent::dismiss(Peer& peer) {
  auto& shared = peer.shared;
  if (shared.in_picker && picker_) {
    for (auto const piece : picker_->leave(shared.slot)) {
      assemblies_.erase(piece.value);
      store_->unclaim(piece);
    }
    departed_[shared.slot] = {peer.endpoint(), peer.handshake().peer_id};
    if (departed_.size() > kDepartedMax) departed_.erase(departed_.begin());
    shared.in_picker = false;
  }
  std::erase_if(peers_, [&](auto const& each) { return each.get() == &peer; });
  std::erase_if(layer_asks_, [&](LayerAsk const& ask) { return ask.peer == peer.id(); });
  if (lacks_layers()) post_layer_requests(engine_.world.clock().now());
  if (picker_ && !picker_->have().all()) fill_all();
  book_changed_.notify_all();
  changed_.notify_all();
}

void Torrent::enter_picker(Peer& peer) {
  auto& shared = peer.shared;
  shared.slot = picker_->join(name_of(peer.handshake().peer_id));
  shared.in_picker = true;
  if (shared.early_all) {
    picker_->peer_has_all(shared.slot);
  } else if (!shared.early_bitfield.empty()) {
    if (auto const pieces = Bitfield::from_wire(shared.early_bitfield, metainfo_->piece_count())) {
      picker_->peer_has(shared.slot, *pieces);
    } else {
      peer.close(pieces.error().what);
    }
  }
  for (auto const piece : shared.early_haves) {
    if (piece.value < metainfo_->piece_count()) picker_->peer_has(shared.slot, piece);
  }
  shared.early_bitfield = {};
  shared.early_haves = {};
  update_interest(peer);
  control_.notify_all();
}

void Torrent::update_interest(Peer& peer) {
  auto& shared = peer.shared;
  if (!shared.in_picker) return;
  // On demand, whoever has anything may be asked next, and shall not choke us then.
  auto const on_demand =
      record_.on_demand && !picker_->have().all() && picker_->peer_count(shared.slot) > 0;
  auto const interested = on_demand || picker_->interesting(shared.slot);
  if (interested == shared.we_interested) return;
  shared.we_interested = interested;
  peer.post(interested ? MessageType::interested : MessageType::not_interested);
}

/// Asks for as many blocks as the window allows, in one go rather than one by one.
void Torrent::fill(Peer& peer) {
  auto& shared = peer.shared;
  if (!picker_ || !shared.in_picker || disk_full_ || failed_ || shared.rejects >= kRejectsMax)
    return;
  if (shared.they_choke && shared.allowed_fast.empty()) return;
  if (!shared.we_interested) return;
  auto const hasty = picker_->any_want();
  auto const target =
      shared.snubbed ? kSnubbedBlocks : shared.window.blocks(hasty, shared.requests_max);
  auto const out = static_cast<std::uint32_t>(shared.in_flight.size());
  if (out >= target || (out > target / 2 && target - out < target / 4)) return;
  std::vector<Picker::Pick> picks;
  if (shared.they_choke) {
    picker_->pick(shared.slot, target - out, picks, [&](PieceIndex piece) {
      return std::ranges::find(shared.allowed_fast, piece) != shared.allowed_fast.end();
    });
  } else {
    picker_->pick(shared.slot, target - out, picks);
  }
  if (picks.empty()) return;
  auto const now = engine_.world.clock().now();
  if (shared.in_flight.empty()) shared.last_block = now;
  for (auto const& pick : picks) {
    shared.in_flight.push_back({pick.range, now});
    if (!pick.taken_from) continue;
    if (auto* const loser = find_peer(*pick.taken_from);
        loser != nullptr && loser->forget_request(pick.range)) {
      loser->post_block(MessageType::cancel, pick.range);
    }
  }
  peer.outbox.post(17 * picks.size(), [&](MessageWriter& writer) {
    for (auto const& pick : picks) writer.about_block(MessageType::request, pick.range);
  });
}

void Torrent::fill_all() {
  for (auto const& peer : peers_) fill(*peer);
}

void Torrent::give_back_requests(Peer& peer) {
  for (auto const& request : peer.shared.in_flight)
    picker_->give_back(peer.shared.slot, request.range);
  peer.shared.in_flight.clear();
}

Peer* Torrent::find_peer(PeerSlot slot) const {
  for (auto const& peer : peers_) {
    if (peer->shared.in_picker && peer->shared.slot == slot) return peer.get();
  }
  return nullptr;
}

void Torrent::ban(PeerSlot slot, std::string const& why) {
  if (web_seed_slots_.erase(slot) > 0) {
    engine_.world.log().warning("swarm", "{}: a web seed is not used any more: it {}", name(), why);
    return;
  }
  auto* const peer = find_peer(slot);
  auto const known = departed_.find(slot);
  if (peer == nullptr && known == departed_.end()) return;
  auto const endpoint = peer != nullptr ? peer->endpoint() : known->second.endpoint;
  engine_.world.log().warning("swarm", "{}: banned {}: {}", name(), endpoint.to_string(), why);
  book_.ban(endpoint);
  banned_ids_.insert(peer != nullptr ? peer->handshake().peer_id : known->second.id);
  if (peer == nullptr) return;
  if (auto const listens = peer->listens_at()) book_.ban(*listens);
  give_back_requests(*peer);
  peer->close(fmt::format("banned: it {}", why));
}

void Torrent::close_all(std::string const& reason) {
  for (auto const& peer : peers_) peer->close(reason);
}

/// When everything is here, other seeds are of no use, nor we to them.
void Torrent::drop_if_useless(Peer& peer) {
  if (!picker_ || !completed_) return;
  auto const& shared = peer.shared;
  if (!shared.in_picker) return;
  if (!shared.upload_only && picker_->peer_count(shared.slot) < metainfo_->piece_count()) return;
  if (auto const listens = peer.listens_at()) book_.set_seed(*listens, true);
  peer.close("both sides have everything");
}

void Torrent::choke_round(TimePoint now) {
  last_choke_round_ = now;
  for (auto const own : {false, true}) {
    auto& choker = own ? *friends_ : *strangers_;
    std::vector<ChokerPeer> candidates;
    for (auto const& peer : peers_) {
      auto const& shared = peer->shared;
      if (shared.own_network != own) continue;
      candidates.push_back({.id = peer->id(),
                            .interested = shared.they_interested,
                            .unchoked = !shared.we_choke,
                            .snubbed = shared.snubbed,
                            .bytes_per_s_from = shared.down_rate.bytes_per_s(),
                            .bytes_per_s_to = shared.up_rate.bytes_per_s(),
                            .connected_at = shared.connected_at});
    }
    auto const picked = choker.pick(candidates, picker_ && picker_->have().all(), now);
    for (auto const& peer : peers_) {
      if (peer->shared.own_network != own) continue;
      auto const unchoked = std::ranges::find(picked, peer->id()) != picked.end();
      // A choked peer that is not interested would only learn of it when it becomes so.
      if (unchoked) {
        peer->unchoke();
      } else {
        peer->choke();
      }
    }
  }
}

void Torrent::unchoke_at_once(Peer& peer) {
  if (!peer.shared.we_choke || !peer.shared.they_interested) return;
  auto const own = peer.shared.own_network;
  auto const used = std::ranges::count_if(peers_, [&](auto const& each) {
    return each->shared.own_network == own && !each->shared.we_choke &&
           each->shared.they_interested;
  });
  if (static_cast<std::size_t>(used) < (own ? *friends_ : *strangers_).slots()) peer.unchoke();
}

/// A peer that owes us blocks and is silent loses them to others, and gets one at a time until it
/// speaks again.
void Torrent::look_for_snubs(TimePoint now) {
  for (auto const& peer : peers_) {
    auto& shared = peer->shared;
    shared.rejects = 0;
    auto const silent = now.time_since_epoch().count() - peer->last_message_ns;
    if (silent > Duration{kSilenceMax}.count()) {
      peer->close("silent for 3 min");
      continue;
    }
    if (!shared.in_picker || shared.in_flight.empty() || now - shared.last_block < kSnubAfter)
      continue;
    shared.last_block = now;
    shared.snubbed = true;
    shared.window.reset();
    picker_->set_snubbed(shared.slot, true);
    for (auto const& request : shared.in_flight)
      peer->post_block(MessageType::cancel, request.range);
    give_back_requests(*peer);
  }
}

}  // namespace mutirao::swarm
