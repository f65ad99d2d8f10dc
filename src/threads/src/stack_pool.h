#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/threads/scope.h"

#include "spinlock.h"

namespace mutirao::threads {

inline constexpr std::size_t kStackClasses = 4;

/// One stack: `low` is its lowest usable byte, below it lies the guard.
struct stack_block {
  std::byte* low = nullptr;
  std::size_t size = 0;
  stack_size size_class = stack_size::standard;
  void* sanitizer_fiber =
      nullptr;  ///< under the thread sanitizer: its context, reused with the stack
  unsigned valgrind_number = 0;
};

/// How an overflow of a stack is noticed; the best that the kernel gives.
enum class guard_kind : std::uint8_t {
  madvise,   ///< MADV_GUARD_INSTALL (Linux 6.13): no cost in memory maps
  mprotect,  ///< one more memory map for each stack, up to a budget
  canary,    ///< a pattern at the low end, looked at when the thread parks
};

/// Free stacks at hand for one processor, without a lock: whoever holds the processor has them.
class stack_cache {
 private:
  friend class stack_pool;
  static constexpr std::size_t kMost = 32;
  struct shelf {
    std::array<stack_block, kMost> blocks;
    std::size_t count = 0;
  };
  std::array<shelf, kStackClasses> shelves_;
};

/// Stacks by size class, cut from large reserved slabs and reused last in, first out, while they
/// are warm. Memory is touched page by page, so a stack costs what its thread has used.
///
/// Any thread. Slabs are given back to the system with the pool.
class stack_pool {
 public:
  /// With the best guard that the kernel has, but none better than `best`.
  explicit stack_pool(guard_kind best = guard_kind::madvise);
  ~stack_pool();
  stack_pool(stack_pool const&) = delete;
  stack_pool& operator=(stack_pool const&) = delete;

  /// Empty when the system has no address space left. `near`: the cache of the calling LWP's
  /// processor, if it holds one.
  [[nodiscard]] std::optional<stack_block> take(stack_size size_class, stack_cache* near);
  void give_back(stack_block const& block, stack_cache* near);
  void empty(stack_cache& cache);

  /// Whether so many stacks are free that trim() would find some to give back in the end.
  [[nodiscard]] bool has_excess() const noexcept {
    return excessive_.load(std::memory_order_relaxed);
  }
  /// Gives the pages of some stacks, which were free ever since the last call, back to the system.
  /// Whoever calls it now and then keeps memory down; not an LWP that has threads to run, as each
  /// stack costs a system call and interrupts the other processors.
  void trim();

  [[nodiscard]] guard_kind guard() const noexcept { return guard_; }
  [[nodiscard]] std::string_view guard_name() const noexcept;
  /// False when the thread wrote over the low end of its stack; always true without canaries.
  [[nodiscard]] static bool canary_intact(stack_block const& block) noexcept;

  static constexpr std::size_t kGuardSize = 16384;
  /// Free stacks of a class that keep their pages.
  [[nodiscard]] static std::size_t warm_most(stack_size size_class) noexcept;

 private:
  struct size_class_pool {
    spin_word lock{0};
    std::deque<stack_block> free;   // warm: the last to come is the first to go
    std::size_t fewest_free = 0;    // since the last trim
    std::vector<stack_block> cold;  // without pages
    std::byte* unused = nullptr;    // the part of the newest slab that was never handed out
    std::byte* slab_end = nullptr;
    std::vector<std::pair<std::byte*, std::size_t>> slabs;
  };
  [[nodiscard]] size_class_pool& pool_of(stack_size size_class) noexcept {
    return classes_[static_cast<std::size_t>(size_class)];
  }
  std::optional<stack_block> take_shared(stack_size size_class, stack_cache::shelf* refill);
  void give_back_shared(std::span<stack_block const> blocks);
  bool trim_class(stack_size size_class);
  bool add_slab(size_class_pool& pool, std::size_t stride);
  void install_guard(std::byte* at);
  void write_canary(std::byte* low);

  std::array<size_class_pool, kStackClasses> classes_;
  guard_kind guard_;
  std::atomic<std::size_t> protected_count_{0};
  std::atomic<bool> excessive_{false};
};

}  // namespace mutirao::threads
