#include "simulation.h"

namespace mutirao::threads {

thread_control* simulation::draw() noexcept {
  if (ready_.empty()) return nullptr;
  auto& chosen = ready_[below(ready_.size())];
  thread_control* const next = chosen;
  chosen = ready_.back();
  ready_.pop_back();
  return next;
}

/// SplitMix64 (Steele, Lea, Flood 2014), scaled by multiplication; the bias is below 2^-32.
std::uint64_t simulation::below(std::uint64_t bound) noexcept {
  random_ += 0x9e3779b97f4a7c15;
  std::uint64_t mixed = random_;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  mixed ^= mixed >> 31;
  __extension__ using wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<wide>(mixed) * bound) >> 64);
}

}  // namespace mutirao::threads
