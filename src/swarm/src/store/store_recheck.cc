#include <algorithm>
#include <atomic>
#include <utility>

#include "mutirao/base/check.h"
#include "mutirao/base/units.h"
#include "mutirao/swarm/hash.h"
#include "mutirao/swarm/merkle.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "store/store_state.h"

namespace mutirao::swarm {
namespace {

/// One lane of the processor for each message: as many pieces (v1) or leaves (v2) at a time.
constexpr std::size_t kLanes = 16;
constexpr std::size_t kRecheckRunBytes = 64 * 1024;
constexpr std::size_t kBufferBytes = kLanes * kRecheckRunBytes;

std::size_t leaf_count(std::uint32_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes; }

bool matches_v2(Metainfo const& metainfo, PieceIndex piece, std::span<Sha256Digest const> leaves) {
  Sha256Digest const root = metainfo.v2_digest_is_file_root(piece)
                                ? merkle_root_of_leaves(leaves)
                                : merkle_root(leaves, metainfo.piece_length() / kBlockBytes);
  return root == metainfo.v2_digest(piece);
}

/// Hashes pieces as they lie on the disk; one for each thread that does so.
class PieceChecker {
 public:
  PieceChecker(StoreFiles& files, Metainfo const& metainfo)
      : files_{files}, metainfo_{metainfo}, buffer_(kBufferBytes) {}

  /// right[i] says whether pieces[i] is; at most kLanes. What can't be read is not.
  void check(std::span<PieceIndex const> pieces, std::span<bool> right) {
    std::vector<std::size_t> v1, v2;
    for (std::size_t i = 0; i < pieces.size(); ++i)
      (metainfo_.v2_digest(pieces[i]) ? v2 : v1).push_back(i);
    if (!v1.empty()) check_v1(pieces, right, v1);
    if (!v2.empty()) check_v2(pieces, right, v2);
  }

 private:
  std::uint64_t begin_of(PieceIndex piece) const {
    return std::uint64_t{piece.value} * metainfo_.piece_length();
  }

  void check_v1(std::span<PieceIndex const> pieces, std::span<bool> right,
                std::vector<std::size_t> const& which) {
    std::vector<Sha1State> states(which.size());
    std::vector<bool> readable(which.size(), true);
    std::vector<Sha1State*> lanes;
    std::vector<ByteView> runs;
    for (std::uint64_t done = 0; done < metainfo_.piece_length(); done += kRecheckRunBytes) {
      lanes.clear();
      runs.clear();
      for (std::size_t lane = 0; lane < which.size(); ++lane) {
        PieceIndex const piece = pieces[which[lane]];
        std::uint64_t const size = metainfo_.piece_size(piece);
        if (!readable[lane] || done >= size) continue;
        MutableBytes const run = MutableBytes{buffer_}.subspan(
            lane * kRecheckRunBytes, std::min<std::uint64_t>(kRecheckRunBytes, size - done));
        readable[lane] = files_.read(begin_of(piece) + done, run).has_value();
        if (!readable[lane]) continue;
        lanes.push_back(&states[lane]);
        runs.push_back(run);
      }
      if (lanes.empty()) break;
      Sha1State::update_many(lanes, runs);
    }
    for (std::size_t lane = 0; lane < which.size(); ++lane)
      right[which[lane]] =
          readable[lane] && states[lane].finish() == metainfo_.v1_digest(pieces[which[lane]]);
  }

  void check_v2(std::span<PieceIndex const> pieces, std::span<bool> right,
                std::vector<std::size_t> const& which) {
    // Leaves of several small pieces fill the buffer together; a large piece empties it many times.
    struct Leaves {
      bool readable = true;
      std::vector<Sha256Digest> digests;
    };
    std::vector<Leaves> leaves(which.size());
    std::vector<ByteView> views;
    std::vector<Sha256Digest*> targets;
    std::size_t filled = 0;
    auto const hash_filled = [&] {
      std::vector<Sha256Digest> digests(views.size());
      sha256_many(views, digests);
      for (std::size_t i = 0; i < digests.size(); ++i) *targets[i] = digests[i];
      views.clear();
      targets.clear();
      filled = 0;
    };
    for (std::size_t i = 0; i < which.size(); ++i) {
      PieceIndex const piece = pieces[which[i]];
      std::uint32_t const size = metainfo_.content_size(piece);
      leaves[i].digests.resize(leaf_count(size));
      for (std::uint32_t done = 0; done < size && leaves[i].readable;) {
        if (filled + kBlockBytes > kBufferBytes) hash_filled();
        auto const part = static_cast<std::uint32_t>(std::min<std::uint64_t>(
            size - done, (kBufferBytes - filled) / kBlockBytes * kBlockBytes));
        MutableBytes const run = MutableBytes{buffer_}.subspan(filled, part);
        leaves[i].readable = files_.read(begin_of(piece) + done, run).has_value();
        for (std::uint32_t at = 0; at < part && leaves[i].readable; at += kBlockBytes) {
          views.push_back(run.subspan(at, std::min(kBlockBytes, part - at)));
          targets.push_back(&leaves[i].digests[(done + at) / kBlockBytes]);
        }
        done += part;
        filled += leaf_count(part) * kBlockBytes;
      }
    }
    hash_filled();
    for (std::size_t i = 0; i < which.size(); ++i)
      right[which[i]] =
          leaves[i].readable && matches_v2(metainfo_, pieces[which[i]], leaves[i].digests);
  }

  StoreFiles& files_;
  Metainfo const& metainfo_;
  Bytes buffer_;
};

/// The pieces to check: those of the named files, each once, in order.
std::vector<PieceIndex> pieces_of(StoreLayout const& layout, std::span<FileIndex const> only) {
  std::vector<PieceIndex> pieces;
  for (Extent const& extent : layout.extents()) {
    if (!only.empty() && std::ranges::find(only, extent.file) == only.end()) continue;
    auto const last = static_cast<std::uint32_t>((extent.end() - 1) / layout.piece_length());
    auto piece = static_cast<std::uint32_t>(extent.offset / layout.piece_length());
    if (!pieces.empty() && pieces.back().value >= piece) piece = pieces.back().value + 1;
    for (; piece <= last; ++piece) pieces.push_back(PieceIndex{piece});
  }
  return pieces;
}

/// Hands out pieces to the threads of a recheck and takes in what they found.
class Recheck {
 public:
  Recheck(Store::State& state, std::vector<PieceIndex> pieces,
          std::function<void(std::uint64_t, std::uint64_t)> progress)
      : state_{state},
        metainfo_{state.described()},
        pieces_{std::move(pieces)},
        progress_{std::move(progress)} {
    for (PieceIndex const piece : pieces_) total_ += metainfo_->piece_size(piece);
  }

  Result<void> run() {
    threads::scope scope;
    for (unsigned i = 0; i < threads::this_runtime_info().processors; ++i)
      scope.spawn("recheck", [this] { return check_until_done(); },
                  {.stack = threads::stack_size::large});
    return scope.join();
  }

 private:
  Result<void> check_until_done() {
    PieceChecker checker{state_.files, *metainfo_};
    while (true) {
      if (threads::stop_requested())
        return fail(Fault::cancelled, "the recheck of " + state_.name + " was stopped");
      std::size_t const first = next_.fetch_add(kLanes, std::memory_order_relaxed);
      if (first >= pieces_.size()) return {};
      auto const batch =
          std::span{pieces_}.subspan(first, std::min(kLanes, pieces_.size() - first));
      std::array<bool, kLanes> right{};
      checker.check(batch, right);
      take_in(batch, right);
      threads::checkpoint();
    }
  }

  void take_in(std::span<PieceIndex const> batch, std::span<bool const> right) {
    std::uint64_t const per_piece = state_.layout.blocks_per_piece();
    {
      std::lock_guard const lock{state_.mutex};
      for (std::size_t i = 0; i < batch.size(); ++i) {
        std::uint64_t const first = batch[i].value * per_piece;
        std::size_t const before = state_.blocks.count();
        for (std::uint64_t block = first; block < first + per_piece; ++block)
          right[i] ? state_.claim_block(block) : state_.unclaim_block(block);
        if (state_.blocks.count() == before) continue;
        state_.push_pending(right[i] ? MapRecord::claim(first, per_piece)
                                     : MapRecord::unclaim(first, per_piece));
      }
    }
    std::lock_guard const lock{progress_mutex_};
    for (PieceIndex const piece : batch) done_ += metainfo_->piece_size(piece);
    if (progress_) progress_(done_, total_);
  }

  Store::State& state_;
  std::shared_ptr<Metainfo const> metainfo_;
  std::vector<PieceIndex> pieces_;
  std::function<void(std::uint64_t, std::uint64_t)> progress_;
  std::atomic<std::size_t> next_{0};
  std::uint64_t total_ = 0;
  threads::mutex progress_mutex_;
  std::uint64_t done_ = 0;
};

}  // namespace

Result<void> Store::recheck(std::span<FileIndex const> only,
                            std::function<void(std::uint64_t, std::uint64_t)> progress) {
  // Also where no claim changes: the date under which the content was found right is the one to
  // keep.
  for (Extent const& extent : state_->layout.extents())
    if (only.empty() || std::ranges::find(only, extent.file) != only.end())
      state_->files.note_unsynced(extent.file);

  auto checked = Recheck{*state_, pieces_of(state_->layout, only), std::move(progress)}.run();
  if (checked) {
    std::lock_guard const lock{state_->mutex};
    std::erase_if(state_->changed, [&](FileIndex file) {
      return only.empty() || std::ranges::find(only, file) != only.end();
    });
  }
  threads::shield const shield;  // what was checked is kept, also when the thread was asked to stop
  auto flushed = state_->flush();
  return checked ? flushed : checked;
}

bool verify_piece(Metainfo const& metainfo, PieceIndex piece, ByteView bytes) {
  MUT_ASSERT(bytes.size() == metainfo.piece_size(piece));
  if (!metainfo.v2_digest(piece)) {
    auto const digest = metainfo.v1_digest(piece);
    return digest && sha1(bytes) == *digest;
  }
  ByteView const content = bytes.first(metainfo.content_size(piece));
  std::vector<ByteView> views;
  for (std::size_t at = 0; at < content.size(); at += kBlockBytes)
    views.push_back(content.subspan(at, std::min<std::size_t>(kBlockBytes, content.size() - at)));
  std::vector<Sha256Digest> leaves(views.size());
  sha256_many(views, leaves);
  return matches_v2(metainfo, piece, leaves);
}

}  // namespace mutirao::swarm
