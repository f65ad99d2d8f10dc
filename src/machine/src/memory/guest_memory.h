#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

#include "memory/shared_bytes.h"

/// The guest's RAM, and the one door to it.
///
/// Harts and devices are told by the guest where to read and write, in numbers that may be wrong on
/// purpose. Each check of a range that is written by hand is a chance to let an addition wrap; so
/// there is one, here, and everything goes through it. The same door knows where decoded or
/// translated code came from: whoever writes there, a hart or a device, makes the code stale.
namespace mutirao::machine {

/// A guest-physical address.
using GuestAddress = std::uint64_t;

inline constexpr std::uint64_t kPageSize = 4096;
inline constexpr std::uint64_t kPageMask = kPageSize - 1;
/// The grain in which memory that holds code is watched.
inline constexpr std::uint64_t kCodeLine = 64;

/// Who keeps something made from the guest's code: decoded slots, translated blocks, and the
/// shortcuts by which stores would miss that they change it.
class CodeWatcher {
 public:
  virtual ~CodeWatcher() = default;
  /// The page had no code and has now: stores to it must go through `GuestMemory::wrote`.
  virtual void page_became_code(GuestAddress page) = 0;
  /// Bytes that were marked as code were written. The range is one of whole code lines.
  virtual void code_was_written(GuestAddress address, std::uint64_t size) = 0;
};

/// Passes on what watchers must know, where each hart runs on a thread of its own and nobody else
/// may touch what it keeps.
class CodeExchange {
 public:
  virtual ~CodeExchange() = default;
  /// Called on the thread of `hart`. Every store to the page by one of the harts in `holders` (a
  /// bit for each number) goes through `GuestMemory::wrote` from when this returns.
  virtual void page_becomes_code(unsigned hart, GuestAddress page, std::uint32_t holders) = 0;
  /// Each hart knows of it before it executes a fence.i that follows. From any thread.
  virtual void code_was_written(GuestAddress address, std::uint64_t size) noexcept = 0;
};

/// One range of RAM. Contents may be read and written from several threads, as memory is; watchers
/// are added before the first hart runs.
///
/// Harts that run at the same time must agree on what is code. A hart may know a shortcut to a page
/// by which its stores miss `wrote`; it says so (`hold_for_stores`) before it looks whether there
/// is code, as whoever makes something from code marks it before looking for such holders. So one
/// of the two sees the other; the same with the bytes: marked, then read again, against written,
/// then looked for marks.
class GuestMemory {
 public:
  /// Fault::exhausted when the host has not that much; Fault::invalid unless both are whole pages
  /// and the range ends below 2^56 (the physical addresses of Sv39 and Sv48).
  [[nodiscard]] static Result<std::unique_ptr<GuestMemory>> create(GuestAddress base,
                                                                   std::uint64_t size);
  GuestMemory(GuestMemory const&) = delete;
  GuestMemory& operator=(GuestMemory const&) = delete;
  ~GuestMemory();

  [[nodiscard]] GuestAddress base() const noexcept { return base_; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

  /// Whether all of the range is RAM. No sum is formed: nothing wraps.
  [[nodiscard]] bool contains(GuestAddress address, std::uint64_t size) const noexcept {
    std::uint64_t const offset = address - base_;
    return offset < size_ && size <= size_ - offset;
  }

  /// The bytes themselves; nothing if any of them is not RAM. Not for writing: see `write`.
  [[nodiscard]] std::optional<ByteView> view(GuestAddress address,
                                             std::uint64_t size) const noexcept {
    if (!contains(address, size)) return std::nullopt;
    return ByteView{bytes_ + (address - base_), size};
  }
  /// For a device that fills a buffer in place; the caller says `wrote` for the range afterwards.
  [[nodiscard]] std::optional<MutableBytes> writable(GuestAddress address,
                                                     std::uint64_t size) noexcept {
    if (!contains(address, size)) return std::nullopt;
    return MutableBytes{bytes_ + (address - base_), size};
  }
  /// False, with nothing done, if any byte of the range is not RAM.
  [[nodiscard]] bool read(GuestAddress address, MutableBytes out) const noexcept;
  [[nodiscard]] bool write(GuestAddress address, ByteView bytes) noexcept;
  template <std::unsigned_integral T>
  [[nodiscard]] std::optional<T> load(GuestAddress address) const noexcept {
    if (!contains(address, sizeof(T))) return std::nullopt;
    return load_shared<T>(bytes_ + (address - base_));
  }
  template <std::unsigned_integral T>
  [[nodiscard]] bool store(GuestAddress address, T value) noexcept {
    if (!contains(address, sizeof value)) return false;
    store_shared(bytes_ + (address - base_), value);
    wrote(address, sizeof value);
    return true;
  }

  /// The guest does not need these bytes any more: whole pages among them go back to the host, and
  /// what is read there is zero, or what it was when the machine was restored. False, with nothing
  /// done, if any of them is not RAM.
  [[nodiscard]] bool discard(GuestAddress address, std::uint64_t size) noexcept;

  /// Where a page of RAM lies in the host; nothing if it is none.
  [[nodiscard]] std::uint8_t* host_page(GuestAddress page) noexcept {
    return contains(page, kPageSize) ? bytes_ + (page - base_) : nullptr;
  }

  /// Of a byte of RAM, from where it lies in the host.
  [[nodiscard]] GuestAddress address_of(std::uint8_t const* host) const noexcept {
    return base_ + static_cast<std::uint64_t>(host - bytes_);
  }

  /// What `watcher` keeps is that of the hart with this number. It outlives this, or says
  /// `unwatch`.
  void watch(CodeWatcher& watcher, unsigned hart = 0) { watchers_.push_back({&watcher, hart}); }
  void unwatch(CodeWatcher& watcher) {
    std::erase_if(watchers_, [&](Watch const& each) { return each.watcher == &watcher; });
  }
  /// Harts run at the same time from now on: watchers are told by way of `exchange`, which outlives
  /// this. Before the first hart runs.
  void share(CodeExchange& exchange);
  /// Tells the watchers of one hart, on its thread or while that stands still.
  void tell_page_became_code(unsigned hart, GuestAddress page);
  void tell_code_was_written(unsigned hart, GuestAddress address, std::uint64_t size);

  /// Something is made from these bytes, which are RAM, on the thread of `hart`. False when others
  /// may have written to them unseen since they were read: read them again, and where the hart
  /// stands too, for other harts may have been waited for.
  [[nodiscard]] bool mark_code(GuestAddress address, std::uint64_t size, unsigned hart = 0);
  /// The hart wants to know a way to store to the page of which nobody else is told. False when the
  /// page holds code, so that it may not.
  [[nodiscard]] bool hold_for_stores(GuestAddress page, unsigned hart) noexcept;
  [[nodiscard]] bool holds_code(GuestAddress page) const noexcept {
    return lines_of(page).load(std::memory_order_relaxed) != 0;
  }
  /// Bytes of RAM were written: what was made from them is stale. Cheap where there is no code.
  void wrote(GuestAddress address, std::uint64_t size) noexcept {
    if (size == 0) return;
    // Whoever made something from these bytes meanwhile sees them, or is seen here.
    if (exchange_ != nullptr) std::atomic_thread_fence(std::memory_order_seq_cst);
    std::uint64_t const last = (address + size - 1) & ~kPageMask;
    for (std::uint64_t page = address & ~kPageMask; page <= last; page += kPageSize)
      if (holds_code(page)) [[unlikely]]
        forget_code(page, address, size);
  }

 private:
  GuestMemory(GuestAddress base, std::uint64_t size, std::uint8_t* mapping, std::uint8_t* bytes);
  void forget_code(GuestAddress page, GuestAddress address, std::uint64_t size) noexcept;
  [[nodiscard]] std::atomic<std::uint64_t>& lines_of(GuestAddress address) const noexcept {
    return code_lines_[(address - base_) / kPageSize];
  }
  [[nodiscard]] std::atomic<std::uint32_t>& holders_of(GuestAddress address) const noexcept {
    return holders_[(address - base_) / kPageSize];
  }
  struct Watch {
    CodeWatcher* watcher;
    unsigned hart;
  };

  GuestAddress base_;
  std::uint64_t size_;
  std::uint8_t* mapping_;
  std::uint8_t* bytes_;  // inside it
  // A bit for each line of a page that something was made from.
  std::unique_ptr<std::atomic<std::uint64_t>[]> code_lines_;
  std::vector<Watch> watchers_;
  CodeExchange* exchange_ = nullptr;  // none while harts run in turns
  // A bit for each hart that may store to a page unseen; there when they run at the same time.
  std::unique_ptr<std::atomic<std::uint32_t>[]> holders_;
};

}  // namespace mutirao::machine
