#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "mutirao/base/time.h"
#include "mutirao/world/entropy.h"

namespace mutirao::sim {

/// One stream of randomness: xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. Streams of
/// different names are independent, so that a host which draws once more disturbs no other.
class SeededEntropy final : public world::Entropy {
 public:
  SeededEntropy(std::uint64_t seed, std::string_view stream);
  void fill(MutableBytes bytes) override;

  /// Uniform in [0, limit]; 0 for a limit of 0.
  [[nodiscard]] Duration up_to(Duration limit);

 private:
  std::uint64_t draw() noexcept;
  std::array<std::uint64_t, 4> state_;
};

/// A bijection that spreads every input bit over all output bits (splitmix64's finaliser).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/// FNV-1a, then mixed: the same on every platform, unlike std::hash.
[[nodiscard]] constexpr std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (char const c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return mix(hash);
}

/// The same of bytes, a word at a time.
[[nodiscard]] inline std::uint64_t hash_of(ByteView bytes) noexcept {
  std::uint64_t hash = bytes.size();
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof word);
    hash = mix(hash ^ word) + 0x9e3779b97f4a7c15;
  }
  for (auto const byte : bytes) hash = mix(hash ^ byte) + 1;
  return hash;
}

}  // namespace mutirao::sim
