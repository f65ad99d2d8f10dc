#include "memory/pmp.h"

#include <bit>

namespace mutirao::machine {
namespace {

constexpr std::uint8_t kPmpRead = 1, kPmpWrite = 2, kPmpExecute = 4, kPmpLocked = 0x80;
enum class Matching : std::uint8_t { off, top_of_range, four_bytes, power_of_two };

}  // namespace

void Pmp::update(Hart const& hart) noexcept {
  count_ = 0;
  for (unsigned i = 0; i < kPmpEntries; ++i) {
    std::uint64_t const address = hart.pmpaddr[i];
    Range range{.first = address << 2, .last = 0, .config = hart.pmpcfg[i]};
    switch (static_cast<Matching>(hart.pmpcfg[i] >> 3 & 3)) {
      case Matching::off:
        continue;
      case Matching::top_of_range:
        range.first = i == 0 ? 0 : hart.pmpaddr[i - 1] << 2;
        if (range.first >= address << 2) continue;
        range.last = (address << 2) - 1;
        break;
      case Matching::four_bytes:
        range.last = range.first + 3;
        break;
      case Matching::power_of_two: {
        // n trailing ones make a range of 2^(n+3) bytes (Priv. table 19).
        int const ones = std::countr_one(address);
        std::uint64_t const size_mask =
            ones >= 61 ? ~std::uint64_t{0} : (std::uint64_t{8} << ones) - 1;
        range.first &= ~size_mask;
        range.last = range.first | size_mask;
        break;
      }
    }
    ranges_[count_++] = range;
  }
}

bool Pmp::allows(GuestAddress address, std::uint64_t size, Access access,
                 Privilege privilege) const noexcept {
  GuestAddress const last = address + size - 1;
  for (unsigned i = 0; i < count_; ++i) {
    Range const& range = ranges_[i];
    if (last < range.first || address > range.last) continue;
    if (address < range.first || last > range.last) return false;
    if (privilege == Privilege::machine && (range.config & kPmpLocked) == 0) return true;
    std::uint8_t const needed = access == Access::fetch  ? kPmpExecute
                                : access == Access::load ? kPmpRead
                                                         : kPmpWrite;
    return (range.config & needed) != 0;
  }
  return privilege == Privilege::machine;
}

}  // namespace mutirao::machine
