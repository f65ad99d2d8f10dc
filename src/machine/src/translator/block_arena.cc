#include "translator/block_arena.h"

#include <sys/mman.h>
#include <utility>

#include <fmt/format.h>

namespace mutirao::machine {

Result<BlockArena> BlockArena::make(std::size_t bytes) {
  for (int const where : {MAP_32BIT, 0}) {
    auto* const begin = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | where, -1, 0);
    if (begin == MAP_FAILED) continue;
    madvise(begin, bytes, MADV_HUGEPAGE);  // a fault of the host costs as much as ten blocks
    return BlockArena{static_cast<std::uint8_t*>(begin), bytes};
  }
  return fail(Fault::exhausted, fmt::format("no {} bytes for what is known of code", bytes),
              "raise the limit of memory (ulimit -v)");
}

BlockArena::BlockArena(BlockArena&& other) noexcept
    : begin_{std::exchange(other.begin_, nullptr)},
      bytes_{std::exchange(other.bytes_, 0)},
      used_{std::exchange(other.used_, 0)} {}

BlockArena::~BlockArena() {
  if (begin_ != nullptr) munmap(begin_, bytes_);
}

}  // namespace mutirao::machine
