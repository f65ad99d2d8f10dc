#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "mutirao/base/check.h"

namespace mutirao::swarm {

/// Pieces that nobody has begun to fetch, in the order in which they should be begun.
///
/// A swarm lives as long as every piece lives somewhere, so rare pieces come first; among equals
/// the order must differ from node to node, or all would ask one seed for the same piece. A sorted
/// structure would cost a logarithm for each announcement of each peer. Here a piece lies in the
/// bucket of its (priority, rarity), at a place drawn by chance: every change is constant time.
///
/// Pure; one owner at a time; the same seed gives the same order.
class PieceBuckets {
 public:
  static constexpr std::uint32_t kRarityMax = 63;  ///< more common than that is equally common
  static constexpr std::uint32_t kPriorities = 8;

  PieceBuckets(std::uint32_t piece_count, std::uint64_t seed)
      : place_(piece_count, kNowhere), state_{seed} {}

  [[nodiscard]] bool contains(std::uint32_t piece) const noexcept {
    return place_[piece] != kNowhere;
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void insert(std::uint32_t piece, std::uint8_t priority, std::uint32_t rarity) {
    MUT_ASSERT(!contains(piece));
    auto const number = bucket_of(priority, rarity);
    auto& bucket = buckets_[number];
    bucket.push_back(piece);
    place_[piece] = {number, static_cast<std::uint32_t>(bucket.size() - 1)};
    swap_places(bucket, place_[piece].at, static_cast<std::uint32_t>(draw() % bucket.size()));
    ++size_;
  }

  void erase(std::uint32_t piece) {
    MUT_ASSERT(contains(piece));
    auto const place = place_[piece];
    auto& bucket = buckets_[place.bucket];
    swap_places(bucket, place.at, static_cast<std::uint32_t>(bucket.size() - 1));
    bucket.pop_back();
    place_[piece] = kNowhere;
    --size_;
  }

  void move(std::uint32_t piece, std::uint8_t priority, std::uint32_t rarity) {
    if (place_[piece].bucket == bucket_of(priority, rarity)) return;
    erase(piece);
    insert(piece, priority, rarity);
  }

  /// The first piece, best first, for which `wanted(piece)` holds.
  template <class Predicate>
  [[nodiscard]] std::uint32_t find(Predicate&& wanted, std::uint32_t none) const {
    for (auto const& bucket : buckets_) {
      for (auto const piece : bucket) {
        if (wanted(piece)) return piece;
      }
    }
    return none;
  }

 private:
  struct Place {
    std::uint32_t bucket;
    std::uint32_t at;
    friend bool operator==(Place, Place) = default;
  };
  static constexpr Place kNowhere{~0u, ~0u};

  [[nodiscard]] static std::uint32_t bucket_of(std::uint8_t priority,
                                               std::uint32_t rarity) noexcept {
    MUT_ASSERT(priority < kPriorities);
    return (kPriorities - 1 - priority) * (kRarityMax + 1) +
           (rarity < kRarityMax ? rarity : kRarityMax);
  }
  void swap_places(std::vector<std::uint32_t>& bucket, std::uint32_t a, std::uint32_t b) {
    std::swap(bucket[a], bucket[b]);
    place_[bucket[a]].at = a;
    place_[bucket[b]].at = b;
  }
  /// SplitMix64: good enough to break ties, and the same everywhere.
  std::uint64_t draw() noexcept {
    auto z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }

  std::array<std::vector<std::uint32_t>, kPriorities*(kRarityMax + 1)> buckets_;
  std::vector<Place> place_;
  std::size_t size_ = 0;
  std::uint64_t state_;
};

}  // namespace mutirao::swarm
