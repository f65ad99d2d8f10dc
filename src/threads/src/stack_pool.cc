#include "stack_pool.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>

#include "sanitizers.h"
#include "valgrind_stacks.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace mutirao::threads {

namespace {
constexpr std::size_t kSlabBytes = 16u << 20;
// vm.max_map_count is 65,530 by default and each protected guard splits a map in two.
constexpr std::size_t kProtectedMax = 15'000;
constexpr std::array<unsigned char, 16> kCanary{0x4d, 0x75, 0x74, 0x69, 0x72, 0xc3, 0xa3, 0x6f,
                                                0x4d, 0x75, 0x74, 0x69, 0x72, 0xc3, 0xa3, 0x6f};

// Instrumented frames are several times larger.
constexpr std::size_t kFactor = kSanitized ? 4 : 1;

std::size_t bytes_of(stack_size size_class) noexcept {
  switch (size_class) {
    case stack_size::small:
      return kFactor * (16u << 10);
    case stack_size::standard:
      return kFactor * (64u << 10);
    case stack_size::large:
      return kFactor * (256u << 10);
    case stack_size::huge:
      return kFactor * (1u << 20);
  }
  return kFactor * (64u << 10);
}

/// Free stacks that a processor keeps for itself.
std::size_t most_at_hand(stack_size size_class) noexcept {
  return size_class == stack_size::small || size_class == stack_size::standard ? 32 : 4;
}

constexpr std::size_t kTrimAtOnce = 512;

bool kernel_has_guards() noexcept {
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  bool const works = madvise(page, 4096, MADV_GUARD_INSTALL) == 0;
  munmap(page, 4096);
  return works;
}
}  // namespace

stack_pool::stack_pool(guard_kind best)
    : guard_{best == guard_kind::madvise && !kernel_has_guards() ? guard_kind::mprotect : best} {}

stack_pool::~stack_pool() {
  for (auto& pool : classes_) {
    auto const forget = [](stack_block const& block) {
      destroy_fiber(block.sanitizer_fiber);
      forget_stack_of_valgrind(block.valgrind_number);
    };
    std::ranges::for_each(pool.free, forget);
    std::ranges::for_each(pool.cold, forget);
    for (auto const& [start, size] : pool.slabs) {
      forget_poison(start, size);  // or the stack of a later kernel thread at this address has it
      munmap(start, size);
    }
  }
}

std::size_t stack_pool::warm_most(stack_size size_class) noexcept {
  switch (size_class) {
    case stack_size::small:
      return 8192;
    case stack_size::standard:
      return 4096;
    case stack_size::large:
      return 16;
    case stack_size::huge:
      return 4;
  }
  return 0;
}

std::optional<stack_block> stack_pool::take(stack_size size_class, stack_cache* near) {
  auto* const shelf =
      near != nullptr ? &near->shelves_[static_cast<std::size_t>(size_class)] : nullptr;
  auto const block = shelf != nullptr && shelf->count > 0
                         ? std::optional{shelf->blocks[--shelf->count]}
                         : take_shared(size_class, shelf);
  if (block) forget_poison(block->low, block->size);
  return block;
}

std::optional<stack_block> stack_pool::take_shared(stack_size size_class,
                                                   stack_cache::shelf* refill) {
  auto& pool = pool_of(size_class);
  std::size_t const size = bytes_of(size_class);
  stack_block block{nullptr, size, size_class};
  {
    spin_guard const guard{pool.lock};
    if (auto const reuse =
            [&](auto& from) {
              block = from.back();
              from.pop_back();
            };
        !pool.free.empty()) {
      reuse(pool.free);
      // More of the warm ones, and the warmest on top.
      std::size_t const more =
          refill != nullptr ? std::min(pool.free.size(), most_at_hand(size_class) / 2) : 0;
      for (std::size_t i = 0; i < more; ++i) {
        refill->blocks[more - 1 - i] = pool.free.back();
        pool.free.pop_back();
      }
      if (more > 0) refill->count = more;
      pool.fewest_free = std::min(pool.fewest_free, pool.free.size());
      return block;
    } else if (!pool.cold.empty()) {
      reuse(pool.cold);
      return block;
    }
    if (pool.unused == pool.slab_end && !add_slab(pool, kGuardSize + size)) return std::nullopt;
    block.low = pool.unused + kGuardSize;
    pool.unused += kGuardSize + size;
  }
  install_guard(block.low - kGuardSize);
  write_canary(block.low);
  block.sanitizer_fiber = make_fiber();
  block.valgrind_number = tell_valgrind_of_stack(block.low, block.size);
  return block;
}

void stack_pool::give_back(stack_block const& block, stack_cache* near) {
  if (near == nullptr) {
    give_back_shared({&block, 1});
    return;
  }
  auto& shelf = near->shelves_[static_cast<std::size_t>(block.size_class)];
  if (shelf.count == most_at_hand(block.size_class)) {
    // The colder half goes.
    std::size_t const half = shelf.count / 2;
    give_back_shared(std::span{shelf.blocks}.first(half));
    std::copy(shelf.blocks.begin() + static_cast<std::ptrdiff_t>(half),
              shelf.blocks.begin() + static_cast<std::ptrdiff_t>(shelf.count),
              shelf.blocks.begin());
    shelf.count -= half;
  }
  shelf.blocks[shelf.count++] = block;
}

void stack_pool::give_back_shared(std::span<stack_block const> blocks) {
  if (blocks.empty()) return;
  auto const size_class = blocks.front().size_class;
  auto& pool = pool_of(size_class);
  spin_guard const guard{pool.lock};
  pool.free.insert(pool.free.end(), blocks.begin(), blocks.end());
  if (pool.free.size() > warm_most(size_class)) excessive_.store(true, std::memory_order_relaxed);
}

void stack_pool::empty(stack_cache& cache) {
  for (auto& shelf : cache.shelves_)
    give_back_shared(std::span{shelf.blocks}.first(std::exchange(shelf.count, 0)));
}

void stack_pool::trim() {
  if (!has_excess()) return;
  bool more = false;
  for (std::size_t i = 0; i < kStackClasses; ++i)
    more = trim_class(static_cast<stack_size>(i)) || more;
  if (!more) excessive_.store(false, std::memory_order_relaxed);
}

/// Whether it has more to give than it should keep.
bool stack_pool::trim_class(stack_size size_class) {
  auto& pool = pool_of(size_class);
  std::vector<stack_block> coldest;
  bool more = false;
  {
    spin_guard const guard{pool.lock};
    std::size_t const unneeded = std::exchange(pool.fewest_free, pool.free.size());
    std::size_t const keep = warm_most(size_class);
    more = pool.free.size() > keep;
    if (unneeded > keep) {
      auto const end =
          pool.free.begin() + static_cast<std::ptrdiff_t>(std::min(unneeded - keep, kTrimAtOnce));
      coldest.assign(pool.free.begin(), end);
      pool.free.erase(pool.free.begin(), end);
      pool.fewest_free = pool.free.size();
    }
  }
  for (auto const& block : coldest) {
    forget_poison(block.low, block.size);
    madvise(block.low, block.size, MADV_DONTNEED);
    write_canary(block.low);
  }
  spin_guard const guard{pool.lock};
  pool.cold.insert(pool.cold.end(), coldest.begin(), coldest.end());
  return more;
}

bool stack_pool::add_slab(size_class_pool& pool, std::size_t stride) {
  std::size_t const count = std::max<std::size_t>(kSlabBytes / stride, 8);
  std::size_t const size = count * stride;
  void* const start = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (start == MAP_FAILED) return false;
  // What lay here before, such as the stacks of an earlier runtime, was unmapped with its poison.
  forget_poison(start, size);
  // A huge page would make each parked thread cost 2 MiB.
  madvise(start, size, MADV_NOHUGEPAGE);
  pool.unused = static_cast<std::byte*>(start);
  pool.slab_end = pool.unused + size;
  pool.slabs.emplace_back(pool.unused, size);
  return true;
}

void stack_pool::install_guard(std::byte* at) {
  if (guard_ == guard_kind::madvise) {
    if (madvise(at, kGuardSize, MADV_GUARD_INSTALL) == 0) return;
  }
  if (guard_ == guard_kind::canary) return;
  if (protected_count_.fetch_add(1, std::memory_order_relaxed) < kProtectedMax &&
      mprotect(at, kGuardSize, PROT_NONE) == 0)
    return;
  // Out of memory maps: from now on the canaries stand alone, and guard_name() says so.
  protected_count_.store(kProtectedMax, std::memory_order_relaxed);
}

void stack_pool::write_canary(std::byte* low) {
  if (guard_ != guard_kind::madvise) std::memcpy(low, kCanary.data(), kCanary.size());
}

std::string_view stack_pool::guard_name() const noexcept {
  if (guard_ == guard_kind::madvise) return "madvise";
  if (guard_ == guard_kind::canary) return "canary";
  return protected_count_.load(std::memory_order_relaxed) < kProtectedMax ? "mprotect" : "canary";
}

bool stack_pool::canary_intact(stack_block const& block) noexcept {
  return std::memcmp(block.low, kCanary.data(), kCanary.size()) == 0;
}

}  // namespace mutirao::threads
