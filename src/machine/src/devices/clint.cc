#include "devices/clint.h"

#include <algorithm>

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kCompare = 0x4000, kTimeOffset = 0xBFF8;

/// A register of 64 bits, read and written in halves or whole.
std::uint64_t half_of(std::uint64_t whole, std::uint64_t offset, unsigned size) {
  if (size == 8) return whole;
  return (offset & 4) != 0 ? whole >> 32 : whole & 0xFFFFFFFF;
}
std::uint64_t with_half(std::uint64_t whole, std::uint64_t offset, unsigned size,
                        std::uint64_t value) {
  if (size == 8) return value;
  value &= 0xFFFFFFFF;
  return (offset & 4) != 0 ? (whole & 0xFFFFFFFF) | value << 32
                           : (whole & ~std::uint64_t{0xFFFFFFFF}) | value;
}

}  // namespace

Clint::Clint(std::vector<Hart*> harts, HartHost& host)
    : harts_{std::move(harts)}, host_{host}, compare_(harts_.size(), ~std::uint64_t{0}) {}

void Clint::look_at_time() {
  std::uint64_t now = 0;
  for (std::size_t i = 0; i < harts_.size(); ++i) {
    bool reached = compare_[i] != ~std::uint64_t{0};
    if (reached) {
      if (now == 0) now = host_.time();
      reached = now >= compare_[i];
    }
    if (reached)
      harts_[i]->lines.fetch_or(interrupt::kMtip);
    else
      harts_[i]->lines.fetch_and(~interrupt::kMtip);
  }
}

std::uint64_t Clint::next_due() const noexcept { return std::ranges::min(compare_); }

std::uint64_t Clint::read(std::uint64_t offset, unsigned size) {
  if (size < 4) return 0;
  if (offset >= kTimeOffset) return half_of(host_.time(), offset, size);
  if (offset >= kCompare) {
    std::uint64_t const number = (offset - kCompare) / 8;
    return number < compare_.size() ? half_of(compare_[number], offset, size) : 0;
  }
  std::uint64_t const number = offset / 4;
  if (number >= harts_.size()) return 0;
  return (harts_[number]->lines.load() & interrupt::kMsip) != 0 ? 1 : 0;
}

void Clint::write(std::uint64_t offset, unsigned size, std::uint64_t value) {
  if (size < 4 || offset >= kTimeOffset) return;  // time is the machine's to say
  if (offset >= kCompare) {
    std::uint64_t const number = (offset - kCompare) / 8;
    if (number >= compare_.size()) return;
    compare_[number] = with_half(compare_[number], offset, size, value);
    look_at_time();
    harts_[number]->attention = true;
    return;
  }
  std::uint64_t const number = offset / 4;
  if (number >= harts_.size()) return;
  if ((value & 1) != 0) {
    harts_[number]->lines.fetch_or(interrupt::kMsip);
    harts_[number]->attention = true;
  } else {
    harts_[number]->lines.fetch_and(~interrupt::kMsip);
  }
}

}  // namespace mutirao::machine
