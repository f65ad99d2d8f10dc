#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/world/disk.h"

namespace mutirao::machine {

/// Takes a piece of a snapshot and its place in the file. Pieces come in no certain order, and
/// between them are zeros. When it fails, the snapshot is given up.
using SnapshotSink = std::function<Result<void>(std::uint64_t offset, ByteView bytes)>;

/// What whoever writes a snapshot leaves in it for whoever restores it, in bytes at most.
inline constexpr std::size_t kSnapshotNoteMax = 64 << 10;

/// A file that a snapshot goes into, perhaps from another process, which need not be trusted: the
/// note is the writer's own.
///
/// It is written under another name, made durable, and then given its own: what has the name is
/// whole, and whatever ends this before leaves what had the name before.
class SnapshotWriter {
 public:
  /// `folder` outlives this.
  [[nodiscard]] static Result<std::unique_ptr<SnapshotWriter>> create(world::Directory& folder,
                                                                      std::string name);
  /// Without `finish` nothing is left of it.
  ~SnapshotWriter();
  SnapshotWriter(SnapshotWriter const&) = delete;
  SnapshotWriter& operator=(SnapshotWriter const&) = delete;

  /// A piece, for a SnapshotSink.
  [[nodiscard]] Result<void> write(std::uint64_t offset, ByteView bytes);
  /// Once all of it is written.
  [[nodiscard]] Result<void> finish(std::string_view note);

 private:
  SnapshotWriter(world::Directory& folder, std::string name);
  world::Directory& folder_;
  std::string const name_;
  std::string const unfinished_;
  std::unique_ptr<world::File> file_;
  bool finished_ = false;
};

/// The note in a snapshot, empty if there is none. Nothing else of the file is looked at but its
/// header.
[[nodiscard]] Result<std::string> read_snapshot_note(world::File& file);

}  // namespace mutirao::machine
