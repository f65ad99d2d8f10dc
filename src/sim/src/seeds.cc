#include "mutirao/sim/seeds.h"

#include <cstdlib>
#include <numeric>

#include <fmt/format.h>

namespace mutirao::sim {

namespace {
std::uint64_t number_in(char const* variable) {
  auto const* const text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 0;
}
}  // namespace

std::vector<std::uint64_t> seeds(std::size_t count) {
  if (auto const only = number_in("MUTIRAO_SEED"); only > 0) return {only};
  if (auto const wished = number_in("MUTIRAO_SEEDS"); wished > 0) count = wished;
  std::vector<std::uint64_t> all(count);
  std::iota(all.begin(), all.end(), std::uint64_t{1});
  return all;
}

std::string replay_hint(std::uint64_t seed) {
  return fmt::format("replay with MUTIRAO_SEED={}", seed);
}

}  // namespace mutirao::sim
