#include "translator/site_arena.h"

#include <cstdlib>
#include <new>
#include <sys/mman.h>

#include "mutirao/base/check.h"

namespace mutirao::machine {
void SiteArena::Free::operator()(void* memory) const noexcept { std::free(memory); }

std::span<Site> SiteArena::take(std::size_t count) {
  MUT_ASSERT(count <= kChunkBytes / sizeof(Site));
  if (count > left_.size()) {
    void* const chunk = std::aligned_alloc(kChunkBytes, kChunkBytes);
    if (chunk == nullptr) throw std::bad_alloc{};
    chunks_.emplace_back(chunk);
    madvise(chunk, kChunkBytes, MADV_HUGEPAGE);  // a fault of the host costs as much as ten blocks
    left_ = {static_cast<Site*>(chunk), kChunkBytes / sizeof(Site)};
  }
  auto const taken = left_.first(count);
  left_ = left_.subspan(count);
  return taken;
}

void SiteArena::clear() noexcept {
  chunks_.clear();
  left_ = {};
}

}  // namespace mutirao::machine
