#pragma once

#include <memory>

#include "mutirao/base/result.h"
#include "mutirao/machine/block_source.h"
#include "mutirao/world/disk.h"

namespace mutirao::machine {

/// An image in qcow2, QEMU's format, which holds only the clusters that were written, perhaps
/// compressed. It is only read: what a guest writes goes to an overlay above it.
///
/// Versions 2 and 3, with clusters compressed by deflate or Zstandard: what qemu-img writes unless
/// it is told otherwise. An image that needs another one below it, that is encrypted, has its data
/// elsewhere or has subclusters is refused (Fault::unsupported) with how to convert it; one that
/// makes no sense is Fault::corrupt. Of what the image says at most some 40 MiB are kept in memory.
///
/// Threads: as any source. Source: QEMU, docs/interop/qcow2.rst.
[[nodiscard]] Result<std::unique_ptr<BlockSource>> open_block_qcow2(
    std::unique_ptr<world::File> file);

/// Whether the file begins as an image in qcow2 does.
[[nodiscard]] Result<bool> is_qcow2(world::File& file);

/// An image of either kind: qcow2 where the file begins as one, and is then only read; else raw.
[[nodiscard]] Result<std::unique_ptr<BlockSource>> open_block_image(
    std::unique_ptr<world::File> file, bool writable);

}  // namespace mutirao::machine
