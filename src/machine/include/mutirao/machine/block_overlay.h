#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/base/units.h"
#include "mutirao/machine/block_source.h"
#include "mutirao/world/disk.h"

namespace mutirao::machine {

/// Of a disk that can be laid over another: its bitmap then takes 128 MiB.
inline constexpr std::uint64_t kOverlaySizeMax = 4096_GiB;

/// Lays a file over a source that is only read: what the guest writes goes to the file, and
/// everything else comes from below. Many machines share one image in this way, and one that is
/// still on its way from elsewhere is written to before it is there.
///
/// The file is sparse: a header, a bitmap with one bit for each 4 KiB of the disk, and the blocks
/// themselves where they lie on the disk. A crash at any moment, of the program or of the system,
/// leaves what was written before the last flush that succeeded, and of what came after it what a
/// disk would: each sector old or new. The order that gives this is that of `flush`: the blocks are
/// made durable first, and only then the bits that say that they are there. Until then a block that
/// is new to the file is, after a crash, what it is below.
///
/// A flush whose sync failed may have lost what was written, and the system does not say it twice
/// ("Can Applications Recover from fsync Failures?", Rebello et al., 2020): every write and flush
/// after it fails, until the file is opened anew.
///
/// Threads: as any source. Several writes to the same blocks are done one after the other. Closed
/// without a flush, it is as after a crash; one program at a time has it open.
///
/// `name` in `folder` is made when it is missing or empty, and may not be when it was made over a
/// disk of another size (Fault::invalid) or is something else (Fault::corrupt); another version is
/// Fault::unsupported. What is below must not change as long as the file is used:
/// `base_modified_ns` says when it was changed last, since 1970, and the file is refused
/// (Fault::invalid) when that was another time when it was made. 0 where nobody can tell.
[[nodiscard]] Result<std::unique_ptr<BlockSource>> open_block_overlay(
    std::unique_ptr<BlockSource> below, world::Directory& folder, std::string_view name,
    std::int64_t base_modified_ns = 0);

}  // namespace mutirao::machine
