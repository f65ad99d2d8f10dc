#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/machine/block_source.h"
#include "mutirao/world/file_lock.h"
#include "mutirao/world/world.h"

#include "machine/machine_object.h"

namespace mutirao::cli {

/// A disk as people ask for one: "IMAGE" or "IMAGE,overlay=FILE".
struct DiskText {
  std::string image;
  std::string overlay{};  ///< takes what is written; empty: not said
};

/// Fails when it names no image, or no file for the overlay.
[[nodiscard]] Result<DiskText> parse_disk(std::string_view text);

/// The overlay of an image that is only read, when no other is named.
[[nodiscard]] std::string default_overlay(std::string const& image);

/// A disk with what is told about it.
struct OpenedDisk {
  std::unique_ptr<machine::BlockSource> source;
  DiskInfo info;
  std::vector<world::FileLock> locks{};  ///< of its files, as long as it is used
};

/// Where what is written to a disk goes, which its image may be too.
///
/// A raw image is written in place. Over one in qcow2, which is only read, lies an overlay: the
/// image's name with ".overlay" behind it, unless `disk` names another. An overlay is made when it
/// is missing, and refused when it was made over something else, or the image was changed since.
///
/// What is written is no other machine's at the same time, and what is only read is written by
/// none.
///
/// `temporary`, when it is not empty, is a file that takes what is written, and all that is below
/// stays as it is; whoever asks removes it. All paths are absolute.
[[nodiscard]] Result<OpenedDisk> open_disk(world::World& world, DiskText const& disk,
                                           std::string const& temporary);

}  // namespace mutirao::cli
