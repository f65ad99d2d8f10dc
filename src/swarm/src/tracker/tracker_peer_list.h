#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/check.h"

#include "tracker/tracker_siphash.h"

namespace mutirao::swarm {

/// The peers of one torrent and one address family, each as it stands in a compact list.
///
/// A tracker holds millions of these and answers from them at every packet. So a peer is 12 bytes
/// (24 for IPv6) in one array, seeds first, leeches behind, and an open-addressing index of numbers
/// finds it: joining, leaving and changing sides are constant time, and a random pick is an index.
/// The number of a peer changes when another one leaves.
///
/// Pure: time is given in seconds of the owner's own count. One owner at a time.
template <std::size_t CompactBytes>
class PeerList {
 public:
  using Compact = std::array<std::uint8_t, CompactBytes>;
  struct Known {
    bool seed;
  };

  /// Adds or refreshes; says what the peer was before, if it was there.
  std::optional<Known> put(Compact const& peer, bool seed, std::uint32_t now_s, SipKey const& key) {
    if (auto const slot = find_slot(peer, key)) {
      auto const number = index_[*slot] - 1;
      Known const before{number < seeds_};
      entries_[number].seen_s = now_s;
      if (seed != before.seed) change_side(number, key);
      return before;
    }
    grow_index(key);
    entries_.push_back({peer, now_s});
    link(entries_.size() - 1, key);
    if (seed) change_side(entries_.size() - 1, key);
    return std::nullopt;
  }

  bool remove(Compact const& peer, SipKey const& key) {
    auto const slot = find_slot(peer, key);
    if (!slot) return false;
    remove_number(index_[*slot] - 1, key);
    return true;
  }

  /// Forgets those last seen before then.
  void expire(std::uint32_t before_s, SipKey const& key) {
    for (std::size_t number = entries_.size(); number-- > 0;) {
      // Removal moves a later peer here, and later ones were looked at already.
      if (entries_[number].seen_s < before_s) remove_number(number, key);
    }
  }

  [[nodiscard]] bool contains(Compact const& peer, SipKey const& key) const {
    return find_slot(peer, key).has_value();
  }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t seeds() const noexcept { return seeds_; }
  [[nodiscard]] Compact const& at(std::size_t number) const noexcept {
    return entries_[number].peer;
  }
  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return entries_.capacity() * sizeof(Entry) + index_.capacity() * sizeof(std::uint32_t);
  }

 private:
  struct Entry {
    Compact peer;
    std::uint32_t seen_s;
  };
  static constexpr std::size_t kIndexSlotsMin = 8;

  [[nodiscard]] std::size_t home(Compact const& peer, SipKey const& key) const noexcept {
    return siphash(key, peer) & (index_.size() - 1);
  }
  [[nodiscard]] std::size_t next(std::size_t slot) const noexcept {
    return (slot + 1) & (index_.size() - 1);
  }

  [[nodiscard]] std::optional<std::size_t> find_slot(Compact const& peer, SipKey const& key) const {
    if (index_.empty()) return std::nullopt;
    for (auto slot = home(peer, key); index_[slot] != 0; slot = next(slot))
      if (entries_[index_[slot] - 1].peer == peer) return slot;
    return std::nullopt;
  }

  void link(std::size_t number, SipKey const& key) {
    auto slot = home(entries_[number].peer, key);
    while (index_[slot] != 0) slot = next(slot);
    index_[slot] = static_cast<std::uint32_t>(number + 1);
  }

  /// Room for one more at a load of three quarters.
  void grow_index(SipKey const& key) {
    if ((entries_.size() + 1) * 4 <= index_.size() * 3) return;
    index_.assign(std::max(kIndexSlotsMin, index_.size() * 2), 0);
    for (std::size_t number = 0; number < entries_.size(); ++number) link(number, key);
  }

  void swap_numbers(std::size_t a, std::size_t b, SipKey const& key) {
    if (a == b) return;
    auto const slot_a = *find_slot(entries_[a].peer, key);
    auto const slot_b = *find_slot(entries_[b].peer, key);
    std::swap(entries_[a], entries_[b]);
    std::swap(index_[slot_a], index_[slot_b]);
  }

  void change_side(std::size_t number, SipKey const& key) {
    if (number < seeds_) {
      swap_numbers(number, --seeds_, key);
    } else {
      swap_numbers(number, seeds_++, key);
    }
  }

  void remove_number(std::size_t number, SipKey const& key) {
    if (number < seeds_) {
      change_side(number, key);
      number = seeds_;
    }
    swap_numbers(number, entries_.size() - 1, key);
    unlink(*find_slot(entries_.back().peer, key), key);
    entries_.pop_back();
  }

  /// Closes the gap (Knuth 6.4, algorithm R), so that no marks of deletion pile up.
  void unlink(std::size_t gap, SipKey const& key) {
    for (auto slot = next(gap); index_[slot] != 0; slot = next(slot)) {
      auto const wanted = home(entries_[index_[slot] - 1].peer, key);
      auto const distance_from_wanted = (slot - wanted) & (index_.size() - 1);
      auto const distance_from_gap = (slot - gap) & (index_.size() - 1);
      if (distance_from_wanted < distance_from_gap) continue;
      index_[gap] = index_[slot];
      gap = slot;
    }
    index_[gap] = 0;
  }

  std::vector<Entry> entries_;        // [0, seeds_) are seeds
  std::vector<std::uint32_t> index_;  // number + 1, or 0; a power of two of them
  std::size_t seeds_ = 0;
};

}  // namespace mutirao::swarm
