#include <algorithm>

#include "mutirao/base/check.h"

#include "store/store_state.h"

namespace mutirao::swarm {

/// True when it was the last one that its piece missed.
bool Store::State::claim_block(std::uint64_t block) {
  if (!blocks.set(block)) return false;
  verified_bytes += layout.content_of_block(block);
  std::uint64_t const piece = block / layout.blocks_per_piece();
  MUT_ASSERT(missing[piece] > 0);
  if (--missing[piece] > 0) return false;
  pieces.set(piece);
  return true;
}

/// True when it was claimed. Blocks without content stay as they are.
bool Store::State::unclaim_block(std::uint64_t block) {
  std::uint64_t const content = layout.content_of_block(block);
  if (content == 0 || !blocks.reset(block)) return false;
  verified_bytes -= content;
  std::uint64_t const piece = block / layout.blocks_per_piece();
  ++missing[piece];
  pieces.reset(piece);
  return true;
}

void Store::State::push_pending(MapRecord const& record) {
  if (!pending.empty()) {
    MapRecord& last = pending.back();
    if (last.kind == record.kind && last.first + last.count == record.first) {
      last.count += record.count;
      return;
    }
  }
  pending.push_back(record);
  if (!unrecorded_since) unrecorded_since = world.clock().now();
}

bool Store::State::all_claimed(std::uint64_t offset, std::uint64_t length) const {
  if (length == 0) return true;
  std::uint64_t const last = layout.block_of(offset + length - 1);
  for (std::uint64_t block = layout.block_of(offset); block <= last; ++block)
    if (!blocks.test(block)) return false;
  return true;
}

bool Store::State::file_is_complete(FileIndex file) const {
  TorrentFile const& described = metainfo->files()[file.value];
  return all_claimed(described.offset, described.length);
}

bool Store::claim(std::uint64_t offset, std::uint64_t length) {
  State& state = *state_;
  StoreLayout const& layout = state.layout;
  MUT_ASSERT(offset <= layout.space_size() && length <= layout.space_size() - offset);
  if (length == 0) return false;

  // A block at either end is claimed only when all of its content lies in the range.
  std::uint64_t first = layout.block_of(offset);
  std::uint64_t end = layout.block_of(offset + length - 1) + 1;
  if (layout.content_in(layout.range_of_block(first).begin, offset) > 0) ++first;
  if (layout.content_in(offset + length, layout.range_of_block(end - 1).end) > 0) --end;
  if (first >= end) return false;

  bool completed = false;
  std::lock_guard const lock{state.mutex};
  std::size_t const before = state.blocks.count();
  for (std::uint64_t block = first; block < end; ++block) completed |= state.claim_block(block);
  if (state.blocks.count() != before) state.push_pending(MapRecord::claim(first, end - first));
  return completed;
}

void Store::unclaim(PieceIndex piece) {
  State& state = *state_;
  MUT_ASSERT(piece.value < state.layout.piece_count());
  std::uint64_t const first = piece.value * state.layout.blocks_per_piece();
  bool any = false;
  {
    std::lock_guard const lock{state.mutex};
    for (std::uint64_t i = 0; i < state.layout.blocks_per_piece(); ++i)
      any |= state.unclaim_block(first + i);
    if (any) state.push_pending(MapRecord::unclaim(first, state.layout.blocks_per_piece()));
  }
  if (!any) return;
  // At once: what is written over it from now on must not be claimed by what the disk remembers.
  if (auto flushed = state.flush(); !flushed)
    state.world.log().warning("swarm", "{}: a wrong piece is still on record: {}", state.name,
                              flushed.error().what);
}

}  // namespace mutirao::swarm
