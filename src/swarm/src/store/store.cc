#include "mutirao/swarm/store.h"

#include <algorithm>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/base/units.h"
#include "mutirao/threads/this_thread.h"

#include "store/store_state.h"

namespace mutirao::swarm {
namespace {

MapKey key_of(Metainfo const& metainfo, StoreLayout const& layout) {
  MapKey key;
  InfoHash const& hash = metainfo.info_hash();
  if (hash.v2)
    key.torrent = *hash.v2;
  else
    std::ranges::copy(hash.v1.value(), key.torrent.begin());
  key.piece_length = layout.piece_length();
  key.blocks = layout.block_count();
  key.files = static_cast<std::uint32_t>(metainfo.files().size());
  return key;
}

/// A folder that is made here must itself be there after a crash, with all above it that was made.
Result<std::unique_ptr<world::Directory>> open_folder(world::Disk& disk, std::string const& path) {
  if (auto there = disk.open_directory(path, false)) return there;
  auto made = MUT_TRY(disk.open_directory(path, true));
  for (std::size_t slash = path.rfind('/'); slash != std::string::npos;
       slash = slash > 0 ? path.rfind('/', slash - 1) : std::string::npos) {
    // Those that were there before and may not be opened need no sync either.
    if (auto const above = disk.open_directory(slash == 0 ? "/" : path.substr(0, slash), false))
      MUT_TRY((*above)->sync());
  }
  return made;
}

}  // namespace

std::int64_t civil_ns(world::World& world) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             world.clock().civil().time_since_epoch())
      .count();
}

Store::State::State(world::World& w, std::shared_ptr<Metainfo const> m, Options o,
                    std::unique_ptr<world::Directory> content,
                    std::unique_ptr<world::Directory> maps)
    : world{w},
      options{std::move(o)},
      name{m->name()},
      layout{*m},
      files{std::move(content), options.content_folder, layout, m->files()},
      lifetime{files.folder().lifetime()},
      map_folder{std::move(maps)},
      map_name{m->info_hash().id() + ".map"},
      journal_name{m->info_hash().id() + ".journal"},
      metainfo{m},
      blocks{layout.block_count()},
      missing(layout.piece_count()),
      pieces{layout.piece_count()},
      map{key_of(*m, layout)} {
  for (std::uint32_t piece = 0; piece < layout.piece_count(); ++piece) {
    for (std::uint64_t i = 0; i < layout.blocks_per_piece(); ++i) {
      std::uint64_t const block = piece * layout.blocks_per_piece() + i;
      if (layout.content_of_block(block) == 0)
        blocks.set(block);
      else
        ++missing[piece];
    }
    if (missing[piece] == 0) pieces.set(piece);
  }
}

std::shared_ptr<Metainfo const> Store::State::described() const {
  std::lock_guard const lock{mutex};
  return metainfo;
}

Store::Store(std::unique_ptr<State> state) : state_{std::move(state)} {}

Result<std::unique_ptr<Store>> Store::open(world::World& world,
                                           std::shared_ptr<Metainfo const> metainfo,
                                           Options options) {
  auto content = open_folder(world.disk(), options.content_folder);
  if (!content)
    return std::unexpected{std::move(content).error().during("folder for " + metainfo->name())};
  auto maps = open_folder(world.disk(), options.map_folder);
  if (!maps)
    return std::unexpected{
        std::move(maps).error().during("folder for the state of " + metainfo->name())};
  auto state = std::make_unique<State>(world, std::move(metainfo), std::move(options),
                                       *std::move(content), *std::move(maps));
  MUT_TRY(state->recover());
  return std::unique_ptr<Store>{new Store{std::move(state)}};
}

Store::~Store() {
  if (!state_ || state_->removed) return;
  threads::shield const shield;
  state_->settle();
}

Bitfield Store::pieces() const {
  std::lock_guard const lock{state_->mutex};
  return state_->pieces;
}

bool Store::has_piece(PieceIndex piece) const {
  MUT_ASSERT(piece.value < state_->layout.piece_count());
  std::lock_guard const lock{state_->mutex};
  return state_->missing[piece.value] == 0;
}

bool Store::has(std::uint64_t offset, std::uint64_t length) const {
  MUT_ASSERT(offset <= state_->layout.space_size() &&
             length <= state_->layout.space_size() - offset);
  std::lock_guard const lock{state_->mutex};
  return state_->all_claimed(offset, length);
}

std::uint64_t Store::verified_bytes() const {
  std::lock_guard const lock{state_->mutex};
  return state_->verified_bytes;
}

Result<void> Store::write(std::uint64_t offset, std::span<ByteView const> runs) {
  auto written = state_->files.write(offset, runs);
  if (!written && written.error().fault == Fault::exhausted) {
    std::uint64_t const left = state_->described()->total_size() - verified_bytes();
    written.error().what += fmt::format(", {} still to come", base::format_bytes(left));
  }
  if (written) state_->unrecorded_bytes.fetch_add(total_of(runs), std::memory_order_relaxed);
  return written;
}

Result<void> Store::read(std::uint64_t offset, MutableBytes into) {
  return state_->files.read(offset, into);
}

Result<void> Store::flush() { return state_->flush(); }
Result<void> Store::record() { return state_->record(); }

Result<void> Store::record_if_due() {
  State& state = *state_;
  {
    std::lock_guard const lock{state.mutex};
    if (state.pending.empty() && !state.map_behind) return {};
    TimePoint const now = state.world.clock().now();
    if (!state.unrecorded_since) state.unrecorded_since = now;
    if (now - *state.unrecorded_since < state.options.record_interval &&
        state.unrecorded_bytes.load(std::memory_order_relaxed) < state.options.record_bytes)
      return {};
  }
  return state.record();
}

std::vector<FileIndex> Store::needs_recheck() const {
  std::lock_guard const lock{state_->mutex};
  return state_->changed;
}

Result<void> Store::create_files() {
  // Those with content are made with their first block; nothing would ever write the empty ones.
  auto const metainfo = state_->described();
  std::span<TorrentFile const> const all = metainfo->files();
  for (std::uint32_t i = 0; i < all.size(); ++i)
    if (!all[i].pad && all[i].length == 0) MUT_TRY(state_->files.create(FileIndex{i}));
  return {};
}

Result<void> Store::remove(bool content) {
  State& state = *state_;
  state.removed = true;
  state.journal.reset();
  for (std::string const& name : {state.map_name, state.journal_name})
    if (auto gone = state.map_folder->remove(name); !gone && gone.error().fault != Fault::not_found)
      return std::unexpected{std::move(gone).error().during("remove " + name)};
  MUT_TRY(state.map_folder->sync());
  return content ? state.files.remove_all() : Result<void>{};
}

void Store::update(std::shared_ptr<Metainfo const> metainfo) {
  std::lock_guard const lock{state_->mutex};
  MUT_ASSERT(metainfo->info_hash() == state_->metainfo->info_hash());
  state_->metainfo = std::move(metainfo);
}

}  // namespace mutirao::swarm
