// Hashes the space of a new torrent: every byte is read once, for both hashes.
#include <algorithm>
#include <atomic>
#include <bit>
#include <mutex>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/merkle.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "metainfo/make_layout.h"

namespace mutirao::swarm {
namespace {

/// Pieces that one thread hashes side by side: as many as the widest engine has lanes.
constexpr std::size_t kPiecesAtOnce = 16;
/// Of each of them are read at a time: together with the others what stays in the cache.
constexpr std::size_t kRunBytes = 4 * kBlockBytes;

/// Reads the space: files, and zeros where there is padding. Keeps the last file open.
class SpaceReader {
 public:
  SpaceReader(Source const& source, Layout const& layout) : source_{source}, layout_{layout} {}

  /// The bytes of [offset, offset + into.size()); how many of them are content is added to
  /// `content`.
  Result<void> read(std::uint64_t offset, MutableBytes into, std::uint64_t& content) {
    std::ranges::fill(into, std::uint8_t{0});
    auto entry = std::ranges::upper_bound(layout_.entries, offset, {}, &Layout::Entry::offset);
    // Of entries with the same offset all but the last are empty.
    for (--entry; entry != layout_.entries.end() && entry->offset < offset + into.size(); ++entry) {
      std::uint64_t const first = std::max(offset, entry->offset);
      std::uint64_t const last = std::min(offset + into.size(), entry->offset + entry->length);
      if (first >= last || entry->pad) continue;
      MUT_TRY(read_file(entry->file, first - entry->offset,
                        into.subspan(first - offset, last - first)));
      content += last - first;
    }
    return {};
  }

 private:
  Result<void> read_file(std::size_t file, std::uint64_t offset, MutableBytes into) {
    std::string const& path = source_.files[file].path;
    if (!open_ || opened_ != file) {
      open_ = MUT_TRY(source_.folder->open(path, {}));
      opened_ = file;
    }
    auto read = open_->read_exactly(offset, into);
    if (!read)
      return std::unexpected{
          std::move(read).error().during(fmt::format("reading {}", base::quoted(path)))};
    return {};
  }

  Source const& source_;
  Layout const& layout_;
  std::unique_ptr<world::File> open_;
  std::size_t opened_ = 0;
};

/// One thread's work: takes groups of pieces until none is left.
class Worker {
 public:
  Worker(Source const& source, Layout const& layout, PieceHashes& hashes)
      : layout_{layout},
        hashes_{hashes},
        reader_{source, layout},
        buffer_(kPiecesAtOnce * kRunBytes) {}

  /// Returns the bytes of content that were hashed.
  Result<std::uint64_t> hash(std::uint64_t first_piece) {
    begin(first_piece);
    for (std::uint32_t at = 0; at < layout_.piece_length; at += kRunBytes) {
      MUT_TRY(read_runs(at));
      if (!hashes_.v1.empty()) update_v1();
      if (!hashes_.v2.empty()) update_v2(at);
      threads::checkpoint();
    }
    finish();
    return content_bytes_;
  }

 private:
  struct Piece {
    std::uint64_t index = 0;
    std::uint32_t size = 0;     ///< of v1, padding included
    std::uint32_t content = 0;  ///< of v2
    bool whole_file = false;    ///< v2: the file is not longer than this piece
    Sha1State sha1;
    std::vector<Sha256Digest> leaves;
  };

  void begin(std::uint64_t first) {
    content_bytes_ = 0;
    pieces_.clear();
    for (std::uint64_t i = first; i < std::min(first + kPiecesAtOnce, layout_.piece_count()); ++i) {
      Piece& piece = pieces_.emplace_back();
      std::uint64_t const begin = i * layout_.piece_length;
      piece.index = i;
      piece.size = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(layout_.piece_length, layout_.end - begin));
      if (hashes_.v2.empty()) continue;
      auto entry = std::ranges::upper_bound(layout_.entries, begin, {}, &Layout::Entry::offset);
      --entry;
      piece.content = static_cast<std::uint32_t>(
          std::min<std::uint64_t>(layout_.piece_length, entry->offset + entry->length - begin));
      piece.whole_file = entry->length <= layout_.piece_length;
      if (hashes_.v1.empty()) piece.size = piece.content;  // the padding of v2 is never read
    }
  }

  Result<void> read_runs(std::uint32_t at) {
    runs_.clear();
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      std::uint32_t const size =
          pieces_[i].size <= at ? 0 : std::min<std::uint32_t>(kRunBytes, pieces_[i].size - at);
      MutableBytes const run{buffer_.data() + i * kRunBytes, size};
      if (size > 0)
        MUT_TRY(reader_.read(pieces_[i].index * layout_.piece_length + at, run, content_bytes_));
      runs_.push_back(run);
    }
    return {};
  }

  void update_v1() {
    states_.clear();
    for (Piece& piece : pieces_) states_.push_back(&piece.sha1);
    Sha1State::update_many(states_, runs_);
  }

  void update_v2(std::uint32_t at) {
    blocks_.clear();
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      std::uint32_t const end = pieces_[i].content <= at
                                    ? 0
                                    : std::min<std::uint32_t>(kRunBytes, pieces_[i].content - at);
      for (std::uint32_t block = 0; block < end; block += kBlockBytes)
        blocks_.push_back(runs_[i].subspan(block, std::min(kBlockBytes, end - block)));
    }
    digests_.resize(blocks_.size());
    sha256_many(blocks_, digests_);
    auto next = digests_.begin();
    for (Piece& piece : pieces_) {
      std::uint32_t const end =
          piece.content <= at ? 0 : std::min<std::uint32_t>(kRunBytes, piece.content - at);
      auto const count = static_cast<std::ptrdiff_t>((end + kBlockBytes - 1) / kBlockBytes);
      piece.leaves.insert(piece.leaves.end(), next, next + count);
      next += count;
    }
  }

  void finish() {
    for (Piece& piece : pieces_) {
      if (!hashes_.v1.empty()) hashes_.v1[piece.index] = piece.sha1.finish();
      if (!hashes_.v2.empty())
        hashes_.v2[piece.index] =
            piece.whole_file ? merkle_root_of_leaves(piece.leaves)
                             : merkle_root(piece.leaves, layout_.piece_length / kBlockBytes);
    }
  }

  Layout const& layout_;
  PieceHashes& hashes_;  // each piece is written by one worker
  SpaceReader reader_;
  Bytes buffer_;
  std::vector<Piece> pieces_;
  std::vector<ByteView> runs_;
  std::vector<Sha1State*> states_;
  std::vector<ByteView> blocks_;
  std::vector<Sha256Digest> digests_;
  std::uint64_t content_bytes_ = 0;
};

/// Adds up what the workers have done and tells it, one call at a time.
class ProgressSum {
 public:
  ProgressSum(std::uint64_t total, std::function<void(MakeProgress)> const& tell)
      : total_{total}, tell_{tell} {}
  void add(std::uint64_t bytes) {
    std::lock_guard const lock{mutex_};
    done_ += bytes;
    if (tell_) tell_({.bytes_done = done_, .bytes_total = total_});
  }

 private:
  threads::mutex mutex_;
  std::uint64_t done_ = 0;
  std::uint64_t total_;
  std::function<void(MakeProgress)> const& tell_;
};

}  // namespace

Result<PieceHashes> hash_pieces(Source const& source, Layout const& layout, TorrentFormat format,
                                std::function<void(MakeProgress)> const& progress) {
  PieceHashes hashes;
  if (format != TorrentFormat::v2) hashes.v1.resize(layout.piece_count());
  if (format != TorrentFormat::v1) hashes.v2.resize(layout.piece_count());
  ProgressSum sum{source.total_size, progress};
  std::uint64_t const groups = (layout.piece_count() + kPiecesAtOnce - 1) / kPiecesAtOnce;
  std::uint64_t const workers =
      std::min<std::uint64_t>(std::max(1u, threads::this_runtime_info().processors), groups);
  std::atomic<std::uint64_t> next{0};
  threads::scope scope;
  for (std::uint64_t i = 0; i < workers; ++i) {
    scope.spawn(fmt::format("hash {}", i),
                [&]() -> Result<void> {
                  Worker worker{source, layout, hashes};
                  for (std::uint64_t group; (group = next.fetch_add(1)) < groups;)
                    sum.add(MUT_TRY(worker.hash(group * kPiecesAtOnce)));
                  return {};
                },
                {.stack = threads::stack_size::large});
  }
  MUT_TRY(scope.join());
  return hashes;
}

}  // namespace mutirao::swarm
