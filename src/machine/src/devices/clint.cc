#include "devices/clint.h"

#include <algorithm>
#include <utility>

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kCompare = 0x4000, kTimeOffset = 0xBFF8;
constexpr std::uint64_t kNoTime = ~std::uint64_t{0};

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
    : harts_{std::move(harts)}, host_{host}, compare_(harts_.size()) {
  for (auto& compare : compare_) compare = kNoTime;
}

void Clint::look_at_time() {
  for (std::size_t i = 0; i < harts_.size(); ++i) look_at_time(i);
}

void Clint::look_at_time(std::size_t hart) {
  // Again, should it be changed meanwhile.
  for (auto compare = due(hart);;) {
    if (compare != kNoTime && host_.time() >= compare)
      harts_[hart]->lines.fetch_or(interrupt::kMtip);
    else if ((harts_[hart]->lines.load() & interrupt::kMtip) != 0)
      harts_[hart]->lines.fetch_and(~interrupt::kMtip);
    if (auto const seen = std::exchange(compare, due(hart)); seen == compare) return;
  }
}

std::uint64_t Clint::next_due() const noexcept {
  std::uint64_t next = kNoTime;
  for (auto const& compare : compare_) next = std::min(next, compare.load());
  return next;
}

std::uint64_t Clint::read(std::uint64_t offset, unsigned size) {
  if (size < 4) return 0;
  if (offset >= kTimeOffset) return half_of(host_.time(), offset, size);
  if (offset >= kCompare) {
    std::uint64_t const number = (offset - kCompare) / 8;
    return number < compare_.size() ? half_of(due(number), offset, size) : 0;
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
    compare_[number] = with_half(due(number), offset, size, value);
    look_at_time(number);
    harts_[number]->call();
    return;
  }
  std::uint64_t const number = offset / 4;
  if (number >= harts_.size()) return;
  if ((value & 1) != 0) {
    harts_[number]->lines.fetch_or(interrupt::kMsip);
    harts_[number]->call();
  } else {
    harts_[number]->lines.fetch_and(~interrupt::kMsip);
  }
}

}  // namespace mutirao::machine
