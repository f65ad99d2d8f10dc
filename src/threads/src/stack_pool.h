#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "mutirao/threads/scope.h"

#include "spinlock.h"

namespace mutirao::threads {

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

/// Stacks by size class, cut from large reserved slabs and reused last in, first out, while they
/// are warm. Memory is touched page by page, so a stack costs what its thread has used.
///
/// Any thread. Slabs are given back to the system with the pool.
class stack_pool {
 public:
  stack_pool();
  ~stack_pool();
  stack_pool(stack_pool const&) = delete;
  stack_pool& operator=(stack_pool const&) = delete;

  /// Empty when the system has no address space left.
  [[nodiscard]] std::optional<stack_block> take(stack_size size_class);
  void give_back(stack_block block) noexcept;

  [[nodiscard]] guard_kind guard() const noexcept { return guard_; }
  [[nodiscard]] std::string_view guard_name() const noexcept;
  /// False when the thread wrote over the low end of its stack; always true without canaries.
  [[nodiscard]] static bool canary_intact(stack_block const& block) noexcept;

  static constexpr std::size_t kGuardSize = 16384;

 private:
  struct size_class_pool {
    spin_word lock{0};
    std::vector<stack_block> free;  // warm: the last to come is the first to go
    std::vector<stack_block> cold;  // without pages
    std::byte* unused = nullptr;    // the part of the newest slab that was never handed out
    std::byte* slab_end = nullptr;
    std::vector<std::pair<std::byte*, std::size_t>> slabs;
  };
  bool add_slab(size_class_pool& pool, std::size_t stride);
  void install_guard(std::byte* at);
  void write_canary(std::byte* low);

  std::array<size_class_pool, 4> classes_;
  guard_kind guard_ = guard_kind::madvise;
  std::atomic<std::size_t> protected_count_{0};
};

}  // namespace mutirao::threads
