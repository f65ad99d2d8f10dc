#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory/guest_memory.h"

/// The memory of programs that run at the system-call interface: what a kernel keeps of it.
///
/// A program's addresses lead through page tables of our own (Sv39) to pages of one GuestMemory,
/// given out when they are first touched. So the hart, translated or not, checks each access as it
/// does for any guest, and a system call reaches a program's memory through the same tables.
namespace mutirao::machine::user {

using UserAddress = std::uint64_t;

/// Sv39 has 39 bits; the lower half is the program's (Priv. 10.4).
inline constexpr UserAddress kUserEnd = std::uint64_t{1} << 38;
/// What can be mapped anywhere ends here; the stack lies above.
inline constexpr UserAddress kMapEnd = kUserEnd - (std::uint64_t{1} << 30);
/// Code of ours, in the half that programs do not reach: see kernel.cc.
inline constexpr UserAddress kGate = ~std::uint64_t{0} << 30;

/// The pages of a GuestMemory, each given out to as many address spaces as share it.
class PagePool {
 public:
  /// `memory` outlives this.
  explicit PagePool(GuestMemory& memory);
  /// A page of zeros; nothing when all are taken.
  [[nodiscard]] std::optional<GuestAddress> take();
  void share(GuestAddress page) noexcept { ++users_[index_of(page)]; }
  void give_back(GuestAddress page) noexcept;
  [[nodiscard]] GuestMemory& memory() noexcept { return memory_; }

 private:
  [[nodiscard]] std::size_t index_of(GuestAddress page) const noexcept {
    return (page - memory_.base()) / kPageSize;
  }
  GuestMemory& memory_;
  std::vector<std::uint32_t> users_;
  std::vector<GuestAddress> free_;
  GuestAddress untouched_;  // from here on nobody had any
};

/// PROT_READ, PROT_WRITE, PROT_EXEC, the same on all of Linux.
struct Protection {
  bool read = false, write = false, execute = false;
  static Protection of(std::uint64_t bits) noexcept {
    return {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
  }
  friend bool operator==(Protection, Protection) = default;
};

/// An open file of the host; closes it in the end.
class HostFile {
 public:
  explicit HostFile(int descriptor) noexcept : descriptor_{descriptor} {}
  ~HostFile();
  HostFile(HostFile const&) = delete;
  HostFile& operator=(HostFile const&) = delete;
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

/// One process's memory. All addresses and sizes come from the program and may be anything.
class AddressSpace {
 public:
  /// Nothing when there is no page for its tables. `pool` outlives this; `gate` is a page of ours
  /// that is mapped at kGate, and `park` one behind it.
  [[nodiscard]] static std::unique_ptr<AddressSpace> make(PagePool& pool, GuestAddress gate,
                                                          GuestAddress park);
  ~AddressSpace();
  AddressSpace(AddressSpace const&) = delete;
  AddressSpace& operator=(AddressSpace const&) = delete;

  /// For satp.
  [[nodiscard]] GuestAddress root() const noexcept { return root_; }

  // What mmap and its like do; negative error numbers when they fail.
  struct Mapping {
    Protection protection;
    bool shared = false;
    std::shared_ptr<HostFile> file{};
    std::uint64_t offset = 0;  ///< in the file, of the begin of the mapping
  };
  [[nodiscard]] std::int64_t map(UserAddress begin, std::uint64_t size, Mapping mapping);
  [[nodiscard]] std::int64_t unmap(UserAddress begin, std::uint64_t size);
  [[nodiscard]] std::int64_t protect(UserAddress begin, std::uint64_t size, Protection protection);
  [[nodiscard]] std::int64_t remap(UserAddress begin, std::uint64_t old_size,
                                   std::uint64_t new_size, bool may_move);
  /// A free range of that size, the highest one below kMapEnd; nothing when there is none.
  [[nodiscard]] std::optional<UserAddress> free_range(std::uint64_t size) const;
  [[nodiscard]] bool is_free(UserAddress begin, std::uint64_t size) const;
  /// Gives the pages back, and the range reads as zeros, or as its file: MADV_DONTNEED.
  [[nodiscard]] std::int64_t forget(UserAddress begin, std::uint64_t size);

  /// A copy for a child: shared mappings are the same pages. Nothing when memory is short.
  [[nodiscard]] std::unique_ptr<AddressSpace> copy();

  enum class Access : std::uint8_t { read, write, execute };
  /// The hart could not go on there: true when it can now.
  [[nodiscard]] bool fault(UserAddress address, Access access);

  // For system calls; false, with nothing or a part done, where the program may not do that itself.
  [[nodiscard]] bool reaches(UserAddress address, std::uint64_t size, Access access);
  [[nodiscard]] bool read(UserAddress address, MutableBytes into);
  [[nodiscard]] bool write(UserAddress address, ByteView bytes);
  template <class T>
  [[nodiscard]] std::optional<T> load(UserAddress address) {
    T value;
    if (!read(address, {reinterpret_cast<std::uint8_t*>(&value), sizeof value}))
      return std::nullopt;
    return value;
  }
  template <class T>
  [[nodiscard]] bool store(UserAddress address, T const& value) {
    return write(address, {reinterpret_cast<std::uint8_t const*>(&value), sizeof value});
  }
  /// Text up to its NUL, at most `bytes_max`; nothing if it is no text of the program.
  [[nodiscard]] std::optional<std::string> text(UserAddress address, std::size_t bytes_max = 4096);

  /// True once after mappings were taken away or narrowed: the hart must forget what it knows.
  [[nodiscard]] bool take_stale() noexcept { return std::exchange(stale_, false); }

  UserAddress heap_begin = 0, heap_end = 0;  ///< brk

 private:
  struct Area {
    UserAddress end;
    Mapping mapping;
  };
  AddressSpace(PagePool& pool, GuestAddress root) noexcept : pool_{pool}, root_{root} {}
  [[nodiscard]] Area* area_of(UserAddress address) noexcept;
  /// Cuts areas so that none reaches over `at`.
  void split(UserAddress at);
  /// Where the entry of a page is; makes the tables above it if `make`.
  [[nodiscard]] std::optional<GuestAddress> entry_of(UserAddress address, bool make);
  void set_entry(GuestAddress place, std::uint64_t entry);
  /// Calls `visit(address, place, entry)` for each page of the range that is there.
  template <class Visit>
  void each_page(UserAddress begin, UserAddress end, Visit visit);
  void drop_pages(UserAddress begin, UserAddress end);
  /// The page of an address that the program may access so, given out now if it was not there.
  [[nodiscard]] std::optional<GuestAddress> page_for(UserAddress address, Access access);

  PagePool& pool_;
  GuestAddress root_;
  std::vector<GuestAddress> tables_;
  std::map<UserAddress, Area> areas_;  // by their begin; none overlaps another
  bool stale_ = false;
};

}  // namespace mutirao::machine::user
