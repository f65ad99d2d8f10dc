// What stands at the start of a file that is said to be an overlay. What is accepted is written
// again and must be the same bytes.
#include <algorithm>
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/machine/block_overlay.h"

#include "block/overlay_layout.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace mutirao;
  using namespace mutirao::machine;
  if (size < OverlayLayout::kHeaderBytes) return 0;
  auto const layout = read_overlay_header({data, size});
  if (!layout || !*layout) return 0;
  MUT_ASSERT((*layout)->disk_bytes <= kOverlaySizeMax);
  MUT_ASSERT((*layout)->bitmap_bytes() <= 128_MiB);
  MUT_ASSERT((*layout)->blocks_at() >= (*layout)->bitmap_at() + (*layout)->bitmap_bytes());
  MUT_ASSERT((*layout)->file_bytes() > (*layout)->disk_bytes);
  MUT_ASSERT(std::ranges::equal(write_overlay_header(**layout),
                                ByteView{data, OverlayLayout::kHeaderBytes}));
  return 0;
}
