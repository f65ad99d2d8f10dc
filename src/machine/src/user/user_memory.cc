#include "user/user_memory.h"

#include <algorithm>
#include <cerrno>

#include "mutirao/base/check.h"
#include "mutirao/world/system_call.h"

namespace mutirao::machine::user {
namespace {

using world::argument_of;
using world::system_call;

// Bits of a page table entry (Priv. 10.4.1).
constexpr std::uint64_t kThere = 1, kReadable = 2, kWritable = 4, kExecutable = 8, kOfUser = 16,
                        kUsed = 64 | 128;  // accessed and dirty: nobody here asks
constexpr std::uint64_t kTableSpan = std::uint64_t{1} << 21;  // what one table of leaves maps
constexpr std::uint64_t kSharedCopyMax = 64 << 20;
constexpr std::size_t kAreasMax = 65530;  // as Linux has it: vm.max_map_count

constexpr std::uint64_t entry_for(GuestAddress page, std::uint64_t flags) {
  return page >> 2 | flags;
}
constexpr GuestAddress page_in(std::uint64_t entry) { return entry >> 10 << 12; }

std::uint64_t flags_for(Protection protection) {
  // What may be written may be read: there is no entry that says otherwise.
  if (!protection.read && !protection.write && !protection.execute) return 0;
  return kThere | kOfUser | kUsed |
         (protection.read || protection.write ? kReadable : std::uint64_t{0}) |
         (protection.write ? kWritable : std::uint64_t{0}) |
         (protection.execute ? kExecutable : std::uint64_t{0});
}

bool permits(Protection protection, AddressSpace::Access access) {
  switch (access) {
    case AddressSpace::Access::read:
      return protection.read || protection.write;
    case AddressSpace::Access::write:
      return protection.write;
    case AddressSpace::Access::execute:
      return protection.execute;
  }
  MUT_UNREACHABLE();
}

/// Whole pages that lie in the program's half. No sum wraps.
bool is_range(UserAddress begin, std::uint64_t size) {
  return (begin & kPageMask) == 0 && size != 0 && size <= kUserEnd && begin <= kUserEnd - size;
}
std::uint64_t whole_pages(std::uint64_t size) {
  return size > kUserEnd ? 0 : (size + kPageMask) & ~kPageMask;
}

}  // namespace

PagePool::PagePool(GuestMemory& memory)
    : memory_{memory}, users_(memory.size() / kPageSize), untouched_{memory.base()} {}

std::optional<GuestAddress> PagePool::take() {
  GuestAddress page = untouched_;
  if (!free_.empty()) {
    page = free_.back();
    free_.pop_back();
    static constexpr std::uint8_t kZeros[kPageSize] = {};
    MUT_ASSERT(memory_.write(page, kZeros));
  } else if (memory_.contains(page, kPageSize)) {
    untouched_ += kPageSize;
  } else {
    return std::nullopt;
  }
  users_[index_of(page)] = 1;
  return page;
}

void PagePool::give_back(GuestAddress page) noexcept {
  if (--users_[index_of(page)] == 0) free_.push_back(page);
}

HostFile::~HostFile() { static_cast<void>(system_call(SYS_close, descriptor_)); }

std::unique_ptr<AddressSpace> AddressSpace::make(PagePool& pool, GuestAddress gate,
                                                 GuestAddress park) {
  auto const root = pool.take();
  if (!root) return nullptr;
  std::unique_ptr<AddressSpace> space{new AddressSpace{pool, *root}};
  space->tables_.push_back(*root);
  auto const of_gate = space->entry_of(kGate, true);
  auto const of_park = space->entry_of(kGate + kPageSize, true);
  if (!of_gate || !of_park) return nullptr;
  space->set_entry(*of_gate, entry_for(gate, kThere | kReadable | kExecutable | kUsed));
  space->set_entry(*of_park, entry_for(park, kThere | kReadable | kExecutable | kUsed | kOfUser));
  return space;
}

AddressSpace::~AddressSpace() {
  for (auto const& [begin, area] : areas_) drop_pages(begin, area.end);
  for (auto const table : tables_) pool_.give_back(table);
}

void AddressSpace::set_entry(GuestAddress place, std::uint64_t entry) {
  MUT_ASSERT(pool_.memory().store(place, entry));
}

std::optional<GuestAddress> AddressSpace::entry_of(UserAddress address, bool make) {
  GuestAddress table = root_;
  for (unsigned level = 2; level > 0; --level) {
    GuestAddress const place = table + (address >> (12 + 9 * level) & 511) * 8;
    auto entry = *pool_.memory().load<std::uint64_t>(place);
    if (entry == 0) {
      if (!make) return std::nullopt;
      auto const made = pool_.take();
      if (!made) return std::nullopt;
      tables_.push_back(*made);
      entry = entry_for(*made, kThere);
      set_entry(place, entry);
    }
    table = page_in(entry);
  }
  return table + (address >> 12 & 511) * 8;
}

template <class Visit>
void AddressSpace::each_page(UserAddress begin, UserAddress end, Visit visit) {
  while (begin < end) {
    UserAddress const table_end = std::min((begin & ~(kTableSpan - 1)) + kTableSpan, end);
    if (entry_of(begin, false)) {
      for (; begin < table_end; begin += kPageSize) {
        auto const place = *entry_of(begin, false);
        auto const entry = *pool_.memory().load<std::uint64_t>(place);
        if (entry != 0) visit(begin, place, entry);
      }
    }
    begin = table_end;
  }
}

void AddressSpace::drop_pages(UserAddress begin, UserAddress end) {
  each_page(begin, end, [this](UserAddress, GuestAddress place, std::uint64_t entry) {
    set_entry(place, 0);
    pool_.give_back(page_in(entry));
    stale_ = true;
  });
}

AddressSpace::Area* AddressSpace::area_of(UserAddress address) noexcept {
  auto after = areas_.upper_bound(address);
  if (after == areas_.begin()) return nullptr;
  auto& [begin, area] = *--after;
  return address < area.end ? &area : nullptr;
}

void AddressSpace::split(UserAddress at) {
  auto after = areas_.upper_bound(at);
  if (after == areas_.begin()) return;
  auto& [begin, area] = *--after;
  if (begin == at || at >= area.end) return;
  Area rest = area;
  rest.mapping.offset += at - begin;
  area.end = at;
  areas_.emplace(at, std::move(rest));
}

std::int64_t AddressSpace::map(UserAddress begin, std::uint64_t size, Mapping mapping) {
  size = whole_pages(size);
  if (!is_range(begin, size) || areas_.size() >= kAreasMax) return -ENOMEM;
  if (auto const gone = unmap(begin, size); gone < 0) return gone;
  areas_.emplace(begin, Area{begin + size, std::move(mapping)});
  return static_cast<std::int64_t>(begin);
}

std::int64_t AddressSpace::unmap(UserAddress begin, std::uint64_t size) {
  size = whole_pages(size);
  if (!is_range(begin, size)) return -EINVAL;
  split(begin);
  split(begin + size);
  areas_.erase(areas_.lower_bound(begin), areas_.lower_bound(begin + size));
  drop_pages(begin, begin + size);
  return 0;
}

std::int64_t AddressSpace::protect(UserAddress begin, std::uint64_t size, Protection protection) {
  if (size == 0) return 0;
  size = whole_pages(size);
  if (!is_range(begin, size)) return (begin & kPageMask) != 0 ? -EINVAL : -ENOMEM;
  if (areas_.size() >= kAreasMax) return -ENOMEM;
  UserAddress const end = begin + size;
  for (UserAddress at = begin; at < end;) {
    auto const* const area = area_of(at);
    if (area == nullptr) return -ENOMEM;
    at = area->end;
  }
  split(begin);
  split(end);
  for (auto at = areas_.lower_bound(begin); at != areas_.lower_bound(end); ++at)
    at->second.mapping.protection = protection;
  auto const flags = flags_for(protection);
  each_page(begin, end, [&](UserAddress, GuestAddress place, std::uint64_t entry) {
    // A page that nobody may touch keeps its content, and its entry says so by no right at all.
    set_entry(place, flags == 0 ? entry_for(page_in(entry), 0) : entry_for(page_in(entry), flags));
    stale_ = true;
  });
  return 0;
}

std::int64_t AddressSpace::forget(UserAddress begin, std::uint64_t size) {
  size = whole_pages(size);
  if (size == 0) return 0;
  if (!is_range(begin, size)) return -EINVAL;
  drop_pages(begin, begin + size);
  return 0;
}

std::int64_t AddressSpace::remap(UserAddress begin, std::uint64_t old_size, std::uint64_t new_size,
                                 bool may_move) {
  old_size = whole_pages(old_size);
  new_size = whole_pages(new_size);
  if (new_size == 0 || !is_range(begin, old_size)) return -EINVAL;
  auto const* const area = area_of(begin);
  if (area == nullptr || area->end < begin + old_size) return -EFAULT;
  if (new_size <= old_size) {
    if (new_size < old_size) static_cast<void>(unmap(begin + new_size, old_size - new_size));
    return static_cast<std::int64_t>(begin);
  }
  split(begin);
  auto* const grows = area_of(begin);
  Mapping const mapping = grows->mapping;
  if (grows->end == begin + old_size && is_free(begin + old_size, new_size - old_size)) {
    grows->end = begin + new_size;
    return static_cast<std::int64_t>(begin);
  }
  if (!may_move) return -ENOMEM;
  auto const to = free_range(new_size);
  if (!to) return -ENOMEM;
  if (auto const made = map(*to, new_size, mapping); made < 0) return made;
  bool moved_all = true;
  each_page(begin, begin + old_size, [&](UserAddress at, GuestAddress place, std::uint64_t entry) {
    auto const there = entry_of(*to + (at - begin), true);
    moved_all = moved_all && there.has_value();
    if (!there) return;
    set_entry(*there, entry);
    set_entry(place, 0);
    stale_ = true;
  });
  if (!moved_all) return -ENOMEM;
  static_cast<void>(unmap(begin, old_size));
  return static_cast<std::int64_t>(*to);
}

bool AddressSpace::is_free(UserAddress begin, std::uint64_t size) const {
  size = whole_pages(size);
  if (!is_range(begin, size)) return false;
  auto const after = areas_.lower_bound(begin);
  if (after != areas_.end() && after->first < begin + size) return false;
  return after == areas_.begin() || std::prev(after)->second.end <= begin;
}

std::optional<UserAddress> AddressSpace::free_range(std::uint64_t size) const {
  size = whole_pages(size);
  UserAddress top = kMapEnd;
  if (size == 0) return std::nullopt;
  for (auto at = areas_.rbegin(); at != areas_.rend(); ++at) {
    if (at->second.end <= top && top - at->second.end >= size) break;
    top = std::min(top, at->first);
  }
  constexpr UserAddress kLowest = 0x10000;
  return top >= size && top - size >= kLowest ? std::optional{top - size} : std::nullopt;
}

std::unique_ptr<AddressSpace> AddressSpace::copy() {
  auto const gate = page_in(*pool_.memory().load<std::uint64_t>(*entry_of(kGate, false)));
  auto const park =
      page_in(*pool_.memory().load<std::uint64_t>(*entry_of(kGate + kPageSize, false)));
  auto child = make(pool_, gate, park);
  if (child == nullptr) return nullptr;
  child->areas_ = areas_;
  child->heap_begin = heap_begin;
  child->heap_end = heap_end;
  bool whole = true;
  for (auto const& [begin, area] : areas_) {
    bool const shared = area.mapping.shared;
    // What both will see has to be there before they part.
    if (shared && area.end - begin > kSharedCopyMax) return nullptr;
    for (auto at = begin; shared && at < area.end; at += kPageSize)
      static_cast<void>(page_for(at, Access::read));
    each_page(begin, area.end, [&](UserAddress at, GuestAddress, std::uint64_t entry) {
      auto const place = child->entry_of(at, true);
      auto const page = shared ? std::optional{page_in(entry)} : pool_.take();
      if (!whole || !place || !page) {
        whole = false;
        return;
      }
      if (shared)
        pool_.share(*page);
      else
        MUT_ASSERT(pool_.memory().write(*page, *pool_.memory().view(page_in(entry), kPageSize)));
      child->set_entry(*place, entry_for(*page, entry & 0x3FF));
    });
  }
  return whole ? std::move(child) : nullptr;
}

std::optional<GuestAddress> AddressSpace::page_for(UserAddress address, Access access) {
  if (address >= kUserEnd) return std::nullopt;
  auto const* const area = area_of(address);
  if (area == nullptr || !permits(area->mapping.protection, access)) return std::nullopt;
  auto const place = entry_of(address, true);
  if (!place) return std::nullopt;
  auto const entry = *pool_.memory().load<std::uint64_t>(*place);
  if (entry != 0) return page_in(entry);
  auto const page = pool_.take();
  if (!page) return std::nullopt;
  auto const& mapping = area->mapping;
  if (mapping.file != nullptr) {
    auto const begin = std::prev(areas_.upper_bound(address))->first;
    std::uint8_t bytes[kPageSize] = {};
    auto const offset = mapping.offset + ((address & ~kPageMask) - begin);
    // What lies behind the file's end is zero.
    if (system_call(SYS_pread64, mapping.file->descriptor(), argument_of(bytes), kPageSize,
                    static_cast<std::int64_t>(offset)) > 0)
      MUT_ASSERT(pool_.memory().write(*page, bytes));
  }
  set_entry(*place, entry_for(*page, flags_for(mapping.protection)));
  return page;
}

bool AddressSpace::fault(UserAddress address, Access access) {
  // One that was there already the hart knows wrongly.
  auto const place = entry_of(address & (kUserEnd - 1), false);
  if (place && *pool_.memory().load<std::uint64_t>(*place) != 0) stale_ = true;
  return page_for(address, access).has_value();
}

bool AddressSpace::reaches(UserAddress address, std::uint64_t size, Access access) {
  if (size == 0) return true;
  if (address >= kUserEnd || size > kUserEnd - address) return false;
  for (auto at = address & ~kPageMask; at < address + size; at += kPageSize)
    if (!page_for(at, access)) return false;
  return true;
}

bool AddressSpace::read(UserAddress address, MutableBytes into) {
  while (!into.empty()) {
    auto const page = page_for(address, Access::read);
    if (!page) return false;
    auto const part = into.first(std::min(into.size(), kPageSize - (address & kPageMask)));
    if (!pool_.memory().read(*page + (address & kPageMask), part)) return false;
    into = into.subspan(part.size());
    address += part.size();
  }
  return true;
}

bool AddressSpace::write(UserAddress address, ByteView bytes) {
  while (!bytes.empty()) {
    auto const page = page_for(address, Access::write);
    if (!page) return false;
    auto const part = bytes.first(std::min(bytes.size(), kPageSize - (address & kPageMask)));
    if (!pool_.memory().write(*page + (address & kPageMask), part)) return false;
    bytes = bytes.subspan(part.size());
    address += part.size();
  }
  return true;
}

std::optional<std::string> AddressSpace::text(UserAddress address, std::size_t bytes_max) {
  std::string text;
  while (text.size() < bytes_max) {
    auto const byte = load<char>(address + text.size());
    if (!byte) return std::nullopt;
    if (*byte == '\0') return text;
    text.push_back(*byte);
  }
  return std::nullopt;
}

}  // namespace mutirao::machine::user
