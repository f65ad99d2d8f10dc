#include "stack_pool.h"

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

/// Free stacks that keep their pages; those beyond it give them back.
std::size_t warm_max(stack_size size_class) noexcept {
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

bool kernel_has_guards() noexcept {
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  bool const works = madvise(page, 4096, MADV_GUARD_INSTALL) == 0;
  munmap(page, 4096);
  return works;
}
}  // namespace

stack_pool::stack_pool()
    : guard_{kernel_has_guards() ? guard_kind::madvise : guard_kind::mprotect} {}

stack_pool::~stack_pool() {
  for (auto& pool : classes_) {
    for (auto const* blocks : {&pool.free, &pool.cold}) {
      for (auto const& block : *blocks) {
        destroy_fiber(block.sanitizer_fiber);
        forget_stack_of_valgrind(block.valgrind_number);
      }
    }
    for (auto const& [start, size] : pool.slabs) {
      forget_poison(start, size);  // or the stack of a later kernel thread at this address has it
      munmap(start, size);
    }
  }
}

std::optional<stack_block> stack_pool::take(stack_size size_class) {
  auto& pool = classes_[static_cast<std::size_t>(size_class)];
  std::size_t const size = bytes_of(size_class);
  stack_block block{nullptr, size, size_class};
  {
    spin_guard const guard{pool.lock};
    if (auto& reused = pool.free.empty() ? pool.cold : pool.free; !reused.empty()) {
      block = reused.back();
      reused.pop_back();
      forget_poison(block.low, block.size);
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

void stack_pool::give_back(stack_block block) noexcept {
  auto& pool = classes_[static_cast<std::size_t>(block.size_class)];
  spin_guard guard{pool.lock};
  bool const cold = pool.free.size() >= warm_max(block.size_class);
  if (cold) {
    // Before it can be taken again, and outside the lock: the kernel takes about a microsecond.
    guard.unlock();
    forget_poison(block.low, block.size);
    madvise(block.low, block.size, MADV_DONTNEED);
    write_canary(block.low);
    spin_guard const again{pool.lock};
    pool.cold.push_back(block);
    return;
  }
  pool.free.push_back(block);
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
  if (protected_count_.fetch_add(1, std::memory_order_relaxed) < kProtectedMax) {
    mprotect(at, kGuardSize, PROT_NONE);
  }
}

void stack_pool::write_canary(std::byte* low) {
  if (guard_ != guard_kind::madvise) std::memcpy(low, kCanary.data(), kCanary.size());
}

std::string_view stack_pool::guard_name() const noexcept {
  if (guard_ == guard_kind::madvise) return "madvise";
  return protected_count_.load(std::memory_order_relaxed) < kProtectedMax ? "mprotect" : "canary";
}

bool stack_pool::canary_intact(stack_block const& block) noexcept {
  return std::memcmp(block.low, kCanary.data(), kCanary.size()) == 0;
}

}  // namespace mutirao::threads
