#include "tracker/tracker_swarm.h"

#include <algorithm>

namespace mutirao::swarm {
namespace {

constexpr std::uint32_t kExpireEverySeconds = 60;
constexpr std::size_t kOwnMax = 16;

template <std::size_t CompactBytes>
std::array<std::uint8_t, CompactBytes> compact(world::Endpoint const& endpoint) {
  std::array<std::uint8_t, CompactBytes> out;
  std::ranges::copy(endpoint.address.bytes(), out.begin());
  base::store_be<std::uint16_t>(MutableBytes{out}.last(2), endpoint.port);
  return out;
}

/// Calls `act(list, compact form)` with the list that the endpoint belongs to.
template <class V4, class V6, class Act>
auto in_list_of(V4& v4, V6& v6, world::Endpoint const& peer, Act&& act) {
  auto const scope = static_cast<std::size_t>(scope_of(peer.address));
  if (peer.address.is_v4()) return act(v4[scope], compact<6>(peer));
  return act(v6[scope], compact<18>(peer));
}

template <class Lists>
void expire_in(Lists& lists, std::uint32_t before_s, SipKey const& key) {
  for (auto& list : lists) list.expire(before_s, key);
}

/// Draws from several lists as if they were one: the range is cut into as many strata as peers are
/// wanted, and one is drawn from each. Distinct, O(answer), and each peer is as likely as any
/// other.
template <class Lists>
void draw(Lists const& lists, std::size_t first_list, TrackerSwarm::Wish const& wish,
          std::size_t wanted, PickRandom& random, Bytes& out) {
  auto const begin_of = [&](auto const& list) { return wish.seed ? list.seeds() : 0; };
  std::size_t total = 0;
  for (auto i = first_list; i < lists.size(); ++i) total += lists[i].size() - begin_of(lists[i]);
  if (total == 0 || wanted == 0) return;

  constexpr std::size_t kBytes = std::tuple_size_v<std::remove_cvref_t<decltype(lists[0].at(0))>>;
  bool const same_family = wish.asker.address.is_v4() == (kBytes == 6);
  auto const asker = same_family ? compact<kBytes>(wish.asker) : std::array<std::uint8_t, kBytes>{};
  // One more than wanted, in place of the asker itself.
  auto const strata = std::min(total, wanted + 1);
  auto const turn = random.below(total);
  std::size_t taken = 0;
  for (std::size_t i = 0; i < strata && taken < wanted; ++i) {
    auto const low = i * total / strata;
    auto const high = (i + 1) * total / strata;
    auto number = low + (high - low > 1 ? random.below(high - low) : 0) + turn;
    if (number >= total) number -= total;
    auto list = first_list;
    for (; number >= lists[list].size() - begin_of(lists[list]); ++list)
      number -= lists[list].size() - begin_of(lists[list]);
    auto const& peer = lists[list].at(begin_of(lists[list]) + number);
    if (peer == asker) continue;
    out.insert(out.end(), peer.begin(), peer.end());
    ++taken;
  }
}

template <class Lists>
std::size_t sum(Lists const& lists, auto&& measure) {
  std::size_t total = 0;
  for (auto const& list : lists) total += measure(list);
  return total;
}

}  // namespace

Scope scope_of(world::IpAddress const& address) noexcept {
  if (address.is_loopback()) return Scope::loopback;
  return address.is_internal() ? Scope::internal : Scope::open;
}

bool TrackerSwarm::update(Update const& update, std::uint32_t now_s, std::size_t peers_max,
                          SipKey const& key) {
  if (std::ranges::find(own_, update.peer) != own_.end())
    return true;  // stands in every answer anyway
  return in_list_of(v4_, v6_, update.peer, [&](auto& list, auto const& peer) {
    if (update.stopped) {
      list.remove(peer, key);
      return true;
    }
    if (size() >= peers_max && !list.contains(peer, key)) return false;
    auto const before = list.put(peer, update.seed, now_s, key);
    // Counted once, for a peer that we saw download; whoever repeats the event changes nothing.
    if (update.completed && update.seed && before && !before->seed) ++completed_;
    return true;
  });
}

void TrackerSwarm::expire(std::uint32_t before_s, std::uint32_t now_s, SipKey const& key) {
  if (now_s - expired_at_s_ < kExpireEverySeconds) return;
  expired_at_s_ = now_s;
  expire_in(v4_, before_s, key);
  expire_in(v6_, before_s, key);
}

void TrackerSwarm::pick(Wish const& wish, PickRandom& random, Bytes& out) const {
  auto const scope = scope_of(wish.asker.address);
  auto wanted = wish.wanted;
  if (!(wish.seed && own_is_seed_)) {
    for (auto const& own : own_) {
      if (wanted == 0) break;
      if (own == wish.asker || own.address.is_v4() == wish.v6 || scope_of(own.address) < scope)
        continue;
      auto const append = [&](auto const& bytes) {
        out.insert(out.end(), bytes.begin(), bytes.end());
      };
      wish.v6 ? append(compact<18>(own)) : append(compact<6>(own));
      --wanted;
    }
  }
  auto const first_list = static_cast<std::size_t>(scope);
  if (wish.v6) {
    draw(v6_, first_list, wish, wanted, random, out);
  } else {
    draw(v4_, first_list, wish, wanted, random, out);
  }
}

void TrackerSwarm::set_own(std::vector<world::Endpoint> endpoints, bool seed) {
  if (endpoints.size() > kOwnMax) endpoints.resize(kOwnMax);
  own_ = std::move(endpoints);
  own_is_seed_ = seed;
}

bool TrackerSwarm::contains(world::Endpoint const& peer, SipKey const& key) const {
  return in_list_of(v4_, v6_, peer,
                    [&](auto const& list, auto const& bytes) { return list.contains(bytes, key); });
}

std::size_t TrackerSwarm::size() const noexcept {
  auto const size_of = [](auto const& list) { return list.size(); };
  return sum(v4_, size_of) + sum(v6_, size_of);
}

std::size_t TrackerSwarm::seeds() const noexcept {
  auto const seeds_of = [](auto const& list) { return list.seeds(); };
  return sum(v4_, seeds_of) + sum(v6_, seeds_of);
}

std::size_t TrackerSwarm::memory_bytes() const noexcept {
  auto const bytes_of = [](auto const& list) { return list.memory_bytes(); };
  return sum(v4_, bytes_of) + sum(v6_, bytes_of);
}

}  // namespace mutirao::swarm
