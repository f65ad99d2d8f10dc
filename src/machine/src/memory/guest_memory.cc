#include "memory/guest_memory.h"

#include <algorithm>
#include <sys/mman.h>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/base/units.h"

namespace mutirao::machine {
namespace {

constexpr std::uint64_t kHostLargePage = 2_MiB;  // of the host

/// The lines of `page` that the range touches, as bits.
std::uint64_t lines_touched(GuestAddress page, GuestAddress address, std::uint64_t size) {
  std::uint64_t const begin = address <= page ? 0 : (address - page) / kCodeLine;
  std::uint64_t const last = std::min(address + size - 1 - page, kPageSize - 1) / kCodeLine;
  std::uint64_t const count = last - begin + 1;
  return (count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1) << begin;
}

}  // namespace

Result<std::unique_ptr<GuestMemory>> GuestMemory::create(GuestAddress base, std::uint64_t size) {
  constexpr std::uint64_t kPhysicalEnd = std::uint64_t{1} << 56;
  if (size == 0 || (base | size) & kPageMask || base >= kPhysicalEnd || size > kPhysicalEnd - base)
    return fail(Fault::invalid, fmt::format("guest memory of {} bytes at {:#x}", size, base),
                "give a multiple of 4096 bytes");
  // Zeroed pages that nobody touched cost the host nothing. Around them is memory that nobody may
  // touch: should a check ever be wrong, it is this program that ends.
  auto const around = size + 2 * kHostLargePage;
  auto* const mapping =
      mmap(nullptr, around, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  auto* const first = static_cast<std::uint8_t*>(mapping);
  if (mapping != MAP_FAILED) {
    auto* const bytes =
        first + kHostLargePage - reinterpret_cast<std::uintptr_t>(first) % kHostLargePage;
    if (mprotect(bytes, size, PROT_READ | PROT_WRITE) == 0) {
      madvise(bytes, size, MADV_HUGEPAGE);  // fewer faults, and fewer misses of the host's own TLB
      return std::unique_ptr<GuestMemory>{new GuestMemory{base, size, first, bytes}};
    }
    munmap(mapping, around);
  }
  return fail(Fault::exhausted, fmt::format("no {} for the guest", base::format_bytes(size)),
              "give the machine less memory");
}

GuestMemory::GuestMemory(GuestAddress base, std::uint64_t size, std::uint8_t* mapping,
                         std::uint8_t* bytes)
    : base_{base},
      size_{size},
      mapping_{mapping},
      bytes_{bytes},
      code_lines_{new std::atomic<std::uint64_t>[size / kPageSize]()} {}

GuestMemory::~GuestMemory() { munmap(mapping_, size_ + 2 * kHostLargePage); }

bool GuestMemory::read(GuestAddress address, MutableBytes out) const noexcept {
  auto const bytes = view(address, out.size());
  if (!bytes) return false;
  std::ranges::copy(*bytes, out.begin());
  return true;
}

bool GuestMemory::write(GuestAddress address, ByteView bytes) noexcept {
  auto const place = writable(address, bytes.size());
  if (!place) return false;
  if (bytes.empty()) return true;
  std::ranges::copy(bytes, place->begin());
  wrote(address, bytes.size());
  return true;
}

void GuestMemory::share(CodeExchange& exchange) {
  exchange_ = &exchange;
  holders_.reset(new std::atomic<std::uint32_t>[size_ / kPageSize]());
}

void GuestMemory::tell_page_became_code(unsigned hart, GuestAddress page) {
  for (auto const& [watcher, whose] : watchers_)
    if (whose == hart) watcher->page_became_code(page);
  holders_of(page).fetch_and(~(1u << hart));
}

void GuestMemory::tell_code_was_written(unsigned hart, GuestAddress address, std::uint64_t size) {
  for (auto const& [watcher, whose] : watchers_)
    if (whose == hart) watcher->code_was_written(address, size);
}

bool GuestMemory::mark_code(GuestAddress address, std::uint64_t size, unsigned hart) {
  MUT_ASSERT(size != 0 && contains(address, size));
  std::uint64_t const last = (address + size - 1) & ~kPageMask;
  bool settled = true;
  for (std::uint64_t page = address & ~kPageMask; page <= last; page += kPageSize) {
    auto const touched = lines_touched(page, address, size);
    auto before = lines_of(page).load(std::memory_order_acquire);
    if ((before & touched) != touched) before = lines_of(page).fetch_or(touched);
    if (exchange_ == nullptr) {
      if (before == 0)
        for (auto const& each : watchers_) each.watcher->page_became_code(page);
      continue;
    }
    auto const holders = holders_of(page).load();
    if ((holders & 1u << hart) != 0) tell_page_became_code(hart, page);
    auto const others = holders & ~(1u << hart);
    if (others != 0) exchange_->page_becomes_code(hart, page, others);
    settled = settled && others == 0 && (before & touched) == touched;
  }
  return settled;
}

bool GuestMemory::hold_for_stores(GuestAddress page, unsigned hart) noexcept {
  if (exchange_ == nullptr) return !holds_code(page);
  auto const mine = 1u << hart;
  bool const held = (holders_of(page).load(std::memory_order_relaxed) & mine) != 0;
  if (!held) holders_of(page).fetch_or(mine);
  if (lines_of(page).load() == 0) return true;
  if (!held) holders_of(page).fetch_and(~mine);
  return false;
}

void GuestMemory::forget_code(GuestAddress page, GuestAddress address,
                              std::uint64_t size) noexcept {
  std::uint64_t const touched = lines_touched(page, address, size);
  if ((lines_of(page).fetch_and(~touched) & touched) == 0) return;
  GuestAddress const begin = std::max(page, address & ~(kCodeLine - 1));
  GuestAddress const end =
      std::min(page + kPageSize, (address + size + kCodeLine - 1) & ~(kCodeLine - 1));
  if (exchange_ != nullptr) return exchange_->code_was_written(begin, end - begin);
  for (auto const& each : watchers_) each.watcher->code_was_written(begin, end - begin);
}

}  // namespace mutirao::machine
