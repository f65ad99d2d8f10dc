#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/swarm/bitfield.h"
#include "mutirao/swarm/metainfo.h"
#include "mutirao/world/world.h"

namespace mutirao::swarm {

/// The content of one torrent on disk, and the truth about which of its bytes are verified.
///
/// A process can be killed and a machine can lose power at any moment. The store therefore keeps a
/// *map*: one bit a 16 KiB block, in a file of its own with checksums, and a journal of what was
/// verified since. Records follow their data at the latest half a second or 64 MiB after it, so
/// that a killed process has at most that much to fetch again. Syncing is left to a slower pace, as
/// a disk takes long over it: after a power cut, files with claims of which it is not known whether
/// their data had reached the disk are rechecked. Never is an unwritten block claimed. Each file's
/// size, modification time and inode are kept with the map: a file that somebody changed is
/// rechecked alone, the others are trusted.
///
/// Files are sparse. Paths stay below the target folder and follow no links (world::Directory). Any
/// number of threads may call; no call holds a lock while it reads or writes the disk.
class Store {
 public:
  struct Options {
    std::string content_folder;  ///< where the files of the torrent go
    std::string map_folder;      ///< where `<id>.map` and `<id>.journal` live
    Duration record_interval = std::chrono::milliseconds{500};
    std::uint64_t record_bytes = 64 << 20;
  };

  /// Opens or creates. What the map claims is trusted unless a file changed: then its blocks are
  /// unclaimed and listed by needs_recheck().
  [[nodiscard]] static Result<std::unique_ptr<Store>> open(world::World& world,
                                                           std::shared_ptr<Metainfo const> metainfo,
                                                           Options options);
  ~Store();  ///< flushes

  /// Pieces that are whole and verified, a copy.
  [[nodiscard]] Bitfield pieces() const;
  [[nodiscard]] bool has_piece(PieceIndex piece) const;
  /// Every byte of the range is verified.
  [[nodiscard]] bool has(std::uint64_t offset, std::uint64_t length) const;
  [[nodiscard]] std::uint64_t verified_bytes() const;  ///< of content, padding excluded

  /// Writes content at an offset of the torrent's space; bytes that fall on padding are dropped.
  /// Claims nothing. A full disk is Fault::exhausted: nothing claimed before is lost.
  Result<void> write(std::uint64_t offset, std::span<ByteView const> runs);
  /// Reads what is there, padding as zeros; the caller asks has() first.
  Result<void> read(std::uint64_t offset, MutableBytes into);
  /// Records that these bytes were written and match their hash. Whole blocks, or up to the end of
  /// a file. Returns true when that completed the piece.
  bool claim(std::uint64_t offset, std::uint64_t length);
  /// Takes a claim back: a piece that turned out to be wrong on disk.
  void unclaim(PieceIndex piece);

  /// Makes all claims so far survive the end of this process. Quick: nothing is synced.
  Result<void> record();
  /// Records when the interval or the byte limit has passed; called by the owner's timer.
  Result<void> record_if_due();
  /// Makes all claims so far survive a power cut: syncs the data, then the records. Others record
  /// meanwhile.
  Result<void> flush();

  /// Files that changed behind our back, or of which a power cut may have taken something, at open;
  /// where there is no map, those that are there already.
  [[nodiscard]] std::vector<FileIndex> needs_recheck() const;
  /// Hashes what is on disk and sets the claims to what is right. `only` empty: everything. Stops
  /// between pieces when the thread is asked to stop; what was checked until then is kept.
  Result<void> recheck(
      std::span<FileIndex const> only,
      std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_total)> progress);

  /// Makes the empty files, with their folders, that no piece will ever write; called when the
  /// download begins and when it ends.
  Result<void> create_files();

  /// Removes the map, and with `content` the files and the folders that are empty then.
  Result<void> remove(bool content);

  /// Replaces the description by one that knows more piece layers.
  void update(std::shared_ptr<Metainfo const> metainfo);

  struct State;

 private:
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// True when `piece` of the torrent, as given, matches its hash: v2 where its digest is known, else
/// v1. `bytes` is piece_size long, padding included.
[[nodiscard]] bool verify_piece(Metainfo const& metainfo, PieceIndex piece, ByteView bytes);

}  // namespace mutirao::swarm
