#include "random.h"

#include <bit>
#include <cstring>

namespace mutirao::sim {

SeededEntropy::SeededEntropy(std::uint64_t seed, std::string_view stream) {
  std::uint64_t counter = mix(seed + 0x9e3779b97f4a7c15) ^ hash_of(stream);
  for (auto& word : state_) word = mix(counter += 0x9e3779b97f4a7c15);
}

std::uint64_t SeededEntropy::draw() noexcept {
  std::uint64_t const result = std::rotl(state_[1] * 5, 7) * 9;
  std::uint64_t const shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void SeededEntropy::fill(MutableBytes bytes) {
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
    std::uint64_t const word = draw();
    std::memcpy(bytes.data(), &word, sizeof word);
  }
  if (bytes.empty()) return;
  std::uint64_t const word = draw();
  std::memcpy(bytes.data(), &word, bytes.size());
}

Duration SeededEntropy::up_to(Duration limit) {
  if (limit <= Duration::zero()) return Duration::zero();
  return Duration{static_cast<Duration::rep>(below(static_cast<std::uint64_t>(limit.count()) + 1))};
}

}  // namespace mutirao::sim
