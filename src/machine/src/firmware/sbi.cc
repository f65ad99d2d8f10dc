#include "firmware/sbi.h"

#include <algorithm>
#include <array>
#include <bit>

namespace mutirao::machine {
namespace {

// SBI 2.0: extension numbers, and error codes of table 1.
constexpr std::uint64_t kBase = 0x10, kTime = 0x54494D45, kIpi = 0x735049, kRfence = 0x52464E43,
                        kHsm = 0x48534D, kSrst = 0x53525354, kDbcn = 0x4442434E;
constexpr std::int64_t kNotSupported = -2, kInvalidParameter = -3, kInvalidAddress = -5,
                       kAlreadyAvailable = -6;
constexpr std::uint64_t kVersion2_0 = 2u << 24;
// Not among the registered implementations; "mt".
constexpr std::uint64_t kImplementation = 0x6D74, kImplementationVersion = 1;
constexpr std::uint64_t kAllHarts = ~std::uint64_t{0};
constexpr std::uint64_t kConsoleBytesMax = 64
                                           << 10;  // of one call; the caller goes on with the rest
// Above so many pages, fencing everything is less work than each of them.
constexpr std::uint64_t kPagesMax = 64;

constexpr unsigned kA0 = 10, kA1 = 11, kA2 = 12, kA3 = 13, kA4 = 14, kA6 = 16, kA7 = 17;

}  // namespace

void Sbi::enter_kernel(Core& core, GuestAddress entry, std::uint64_t argument) {
  Hart& hart = core.hart;
  // All memory is the kernel's.
  hart.pmpaddr[0] = ~std::uint64_t{0} >> 10;
  hart.pmpcfg[0] = 0x1F;
  // It handles its own exceptions and interrupts; only its calls come here.
  hart.medeleg = 0xB1FF;
  hart.mideleg = interrupt::kSupervisor;
  hart.mcounteren = 0xFFFFFFFF;
  hart.menvcfg = envcfg::kStce | envcfg::kPbmte | envcfg::kAdue | envcfg::kCbze | envcfg::kCbcfe |
                 envcfg::kCbie;
  hart.mstatus &= ~(status::kSie | status::kMprv | status::kTvm | status::kTw | status::kTsr);
  hart.satp = 0;
  hart.privilege = Privilege::supervisor;
  hart.waiting = false;
  hart.pc = entry;
  hart.x[kA0] = hart.id;
  hart.x[kA1] = argument;
  core.mmu.rules_changed();
}

void Sbi::call(Hart& hart) {
  std::uint64_t const function = hart.x[kA6];
  Answer answer{kNotSupported};
  switch (hart.x[kA7]) {
    case kBase:
      answer = base(function, hart.x[kA0]);
      break;
    case kTime:
      if (function == 0) answer = set_timer(hart, hart.x[kA0]);
      break;
    case kIpi:
      if (function == 0) answer = send_ipi(hart.x[kA0], hart.x[kA1]);
      break;
    case kRfence:
      answer = remote_fence(function, hart);
      break;
    case kHsm:
      answer = hart_state(function, hart);
      break;
    case kSrst:
      if (function == 0) answer = system_reset(hart.x[kA0], hart.x[kA1]);
      break;
    case kDbcn:
      answer = debug_console(function, hart);
      break;
    default:
      break;
  }
  hart.x[kA0] = static_cast<std::uint64_t>(answer.error);
  hart.x[kA1] = answer.value;
}

Sbi::Answer Sbi::base(std::uint64_t function, std::uint64_t argument) const {
  switch (function) {
    case 0:
      return {0, kVersion2_0};
    case 1:
      return {0, kImplementation};
    case 2:
      return {0, kImplementationVersion};
    case 3: {
      constexpr std::array kExtensions{kBase, kTime, kIpi, kRfence, kHsm, kSrst, kDbcn};
      return {0, std::ranges::count(kExtensions, argument) > 0 ? 1u : 0u};
    }
    case 4:  // mvendorid, marchid, mimpid: those of the harts
    case 5:
    case 6:
      return {0, 0};
    default:
      return {kNotSupported};
  }
}

Sbi::Answer Sbi::set_timer(Hart& hart, std::uint64_t when) {
  static_cast<void>(write_csr(platform_.core(hart.id), csr::kStimecmp, when));
  return {};
}

bool Sbi::chosen(std::uint64_t mask, std::uint64_t mask_base,
                 std::vector<std::size_t>& harts) const {
  std::size_t const count = platform_.hart_count();
  for (std::size_t i = 0; i < count; ++i) {
    bool const named = mask_base == kAllHarts ||
                       (i >= mask_base && i - mask_base < 64 && (mask >> (i - mask_base) & 1) != 0);
    if (named) harts.push_back(i);
  }
  if (mask_base == kAllHarts) return true;
  // Every bit names one.
  return static_cast<std::size_t>(std::popcount(mask)) == harts.size();
}

Sbi::Answer Sbi::send_ipi(std::uint64_t mask, std::uint64_t mask_base) {
  std::vector<std::size_t> harts;
  if (!chosen(mask, mask_base, harts)) return {kInvalidParameter};
  for (std::size_t const number : harts) {
    Hart& target = platform_.core(number).hart;
    target.lines.fetch_or(interrupt::kSsip);
    target.call();
  }
  return {};
}

Sbi::Answer Sbi::remote_fence(std::uint64_t function, Hart const& hart) {
  if (function > 2) return {kNotSupported};  // of hypervisors
  std::vector<std::size_t> harts;
  if (!chosen(hart.x[kA0], hart.x[kA1], harts)) return {kInvalidParameter};
  std::optional<RangeFence> addresses;
  if (function != 0) {  // that is fence.i alone
    std::uint64_t const start = hart.x[kA2];
    std::uint64_t const size = hart.x[kA3];
    bool const all = (start == 0 && size == 0) || size == kAllHarts || size / kPageSize > kPagesMax;
    std::uint64_t const first = start & ~kPageMask;
    addresses.emplace();
    if (!all) *addresses = {first, (start + size - first + kPageMask) / kPageSize};
    if (function == 2) addresses->space = hart.x[kA4];
  }
  platform_.fence(hart.id, harts, addresses);
  return {};
}

Sbi::Answer Sbi::hart_state(std::uint64_t function, Hart& hart) {
  using State = Platform::HartState;
  std::uint64_t const number = hart.x[kA0];
  switch (function) {
    case 0: {  // start
      if (number >= platform_.hart_count()) return {kInvalidParameter};
      if (platform_.state(number) == State::started) return {kAlreadyAvailable};
      if (!memory_.contains(hart.x[kA1], 2)) return {kInvalidAddress};
      if (!platform_.start(hart.id, number, hart.x[kA1], hart.x[kA2])) return {kAlreadyAvailable};
      return {};
    }
    case 1:  // stop, of the caller
      platform_.stop(hart.id);
      return {};
    case 2:  // status
      if (number >= platform_.hart_count()) return {kInvalidParameter};
      return {0, static_cast<std::uint64_t>(platform_.state(number))};
    case 3:  // suspend: the default retentive kind is a wfi
      if (number != 0) return {number == 0x80000000 ? kNotSupported : kInvalidParameter};
      hart.waiting = true;
      return {};
    default:
      return {kNotSupported};
  }
}

Sbi::Answer Sbi::system_reset(std::uint64_t type, std::uint64_t reason) {
  if (type > 2 || reason > 1) return {kInvalidParameter};
  platform_.reset(type != 0, reason == 1);
  return {};
}

Sbi::Answer Sbi::debug_console(std::uint64_t function, Hart const& hart) {
  if (function == 2) {  // one byte
    std::uint8_t const byte = static_cast<std::uint8_t>(hart.x[kA0]);
    platform_.console_write({&byte, 1});
    return {};
  }
  if (function > 2) return {kNotSupported};
  std::uint64_t const size = std::min(hart.x[kA0], kConsoleBytesMax);
  GuestAddress const address = hart.x[kA1];
  if (size == 0) return {};
  if (hart.x[kA2] != 0) return {kInvalidParameter};  // the upper half of an address of 128 bits
  if (function == 0) {
    auto const bytes = memory_.view(address, size);
    if (!bytes) return {kInvalidParameter};
    platform_.console_write(*bytes);
    return {0, size};
  }
  auto const room = memory_.writable(address, size);
  if (!room) return {kInvalidParameter};
  std::size_t const read = platform_.console_read(*room);
  memory_.wrote(address, read);
  return {0, read};
}

}  // namespace mutirao::machine
