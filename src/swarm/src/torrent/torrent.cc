#include "torrent/torrent.h"

#include <algorithm>

#include "mutirao/base/check.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::swarm {

namespace {

constexpr std::uint32_t kPiecesHashedAtOnce = 16;
constexpr std::chrono::milliseconds kTick{1000};
constexpr std::chrono::milliseconds kRecordInterval{500};  // a killed process loses no more
constexpr auto kSyncInterval = std::chrono::seconds{30};   // about that of the kernel's own flusher
constexpr std::size_t kPoolBlocks = 320;                   // 5 MiB
constexpr std::uint64_t kRoomMin = 16 << 20;
constexpr std::uint64_t kRoomForState = 1 << 20;  // map, journal, record
constexpr auto kRoomRetry = std::chrono::seconds{1};
constexpr auto kStartAgain = std::chrono::seconds{5};
constexpr std::uint8_t kBulkPriority = 4;
constexpr auto kLayersMax = std::chrono::seconds{15};

std::shared_ptr<Metainfo const> metainfo_of(AddRequest const& request) {
  auto const* const metainfo = std::get_if<std::shared_ptr<Metainfo const>>(&request.what);
  return metainfo != nullptr ? *metainfo : nullptr;
}

Magnet magnet_of(AddRequest const& request) {
  auto const* const magnet = std::get_if<Magnet>(&request.what);
  return magnet != nullptr ? *magnet : Magnet{};
}

}  // namespace

Torrent::Torrent(Engine& engine, AddRequest request, TorrentRecord record)
    : engine_{engine},
      info_hash_{metainfo_of(request) ? metainfo_of(request)->info_hash()
                                      : magnet_of(request).info_hash},
      id_{info_hash_.id()},
      content_is_whole_{request.content_is_whole},
      magnet_{magnet_of(request)},
      record_{std::move(record)},
      metainfo_{metainfo_of(request)},
      pool_{kPoolBlocks} {
  since_ = engine_.world.clock().now();
  metadata_since_ = since_;
  downloaded_ = record_.downloaded;
  uploaded_ = record_.uploaded;
  phase_ = record_.paused ? TorrentPhase::paused
           : metainfo_    ? TorrentPhase::checking
                          : TorrentPhase::metadata;
  strangers_ = std::make_unique<TitForTat>(
      TitForTat::Options{.unchoked_max =
                             std::max<std::size_t>(2, engine.options.uploads_per_torrent_max)},
      engine.world.entropy());
  friends_ = std::make_unique<Cooperative>();
  book_.set_own({engine.options.from.value_or(world::IpAddress{}), engine.options.port});
  for (auto const& peer : request.peers) book_.add(peer, since_);
  for (auto const& peer : magnet_.peers) book_.add(peer, since_);
  make_trackers();
}

Torrent::~Torrent() { MUT_ASSERT(peers_.empty()); }

bool Torrent::stopping() const { return stop_ || threads::stop_requested(); }

std::string Torrent::name() const {
  if (metainfo_) return metainfo_->name();
  return magnet_.name.empty() ? id_.substr(0, 12) : magnet_.name;
}

void Torrent::set_phase(TorrentPhase phase) {
  if (phase_ == phase) return;
  phase_ = phase;
  since_ = engine_.world.clock().now();
  changed_.notify_all();
}

void Torrent::fail_with(Error error) {
  std::lock_guard const lock{mutex_};
  engine_.world.log().error("swarm", "{}: {}", name(), error.what);
  if (error.fault == Fault::exhausted && error.mend.empty())
    error.mend = "make room there; it goes on by itself";
  failed_ = std::move(error);
  set_phase(TorrentPhase::failed);
  changed_.notify_all();
}

void Torrent::stop() {
  std::lock_guard const lock{mutex_};
  stop_ = true;
  control_.notify_all();
  changed_.notify_all();
}

void Torrent::set_paused(bool paused) {
  std::lock_guard const lock{mutex_};
  record_.paused = paused;
  if (!paused) failed_.reset();
  control_.notify_all();
  changed_.notify_all();
}

void Torrent::request_verify() {
  std::lock_guard const lock{mutex_};
  verify_ = true;
  failed_.reset();
  control_.notify_all();
}

void Torrent::fetch_all() {
  std::lock_guard const lock{mutex_};
  if (!std::exchange(record_.on_demand, false) || !picker_) return;
  for (std::uint32_t piece = 0; piece < metainfo_->piece_count(); ++piece) {
    if (!picker_->wanted(PieceIndex{piece}))
      picker_->set_priority(PieceIndex{piece}, kBulkPriority);
  }
  for (auto const& peer : peers_) update_interest(*peer);
  fill_all();
  book_changed_.notify_all();
}

void Torrent::run() {
  while (true) {
    {
      std::unique_lock lock{mutex_};
      if (stopping()) break;
      if (failed_ || (record_.paused && !verify_)) {
        set_phase(failed_ ? TorrentPhase::failed : TorrentPhase::paused);
        rest(lock);
        continue;
      }
    }
    step();
  }
  threads::shield const shield;
  if (store_) {
    if (auto const flushed = store_->flush(); !flushed) fail_with(flushed.error());
  }
}

/// Until there is something else to do. What failed for want of room is tried again by itself.
void Torrent::rest(std::unique_lock<threads::mutex>& lock) {
  bool const for_room = failed_ && failed_->fault == Fault::exhausted;
  auto const until =
      for_room ? Deadline::at(engine_.world.clock().now() + kStartAgain) : Deadline::never();
  auto const waited = control_.wait(lock, until);
  if (for_room && !waited && waited.error().fault == Fault::timed_out) failed_.reset();
}

/// Content first, then talking.
void Torrent::step() {
  if (metainfo_ && !store_) open_content();
  {
    std::lock_guard const lock{mutex_};
    if (failed_) return;
  }
  if (store_ && std::exchange(verify_, false)) recheck({});
  {
    std::lock_guard const lock{mutex_};
    if (failed_ || record_.paused || stopping()) return;
    if (store_ && !picker_) make_picker();
  }
  run_session();
}

void Torrent::open_content() {
  {
    std::lock_guard const lock{mutex_};
    set_phase(TorrentPhase::checking);
  }
  auto store = Store::open(engine_.world, metainfo_,
                           {.content_folder = record_.folder,
                            .map_folder = engine_.options.state_folder,
                            .record_interval = kRecordInterval});
  if (!store) return fail_with(std::move(store).error());
  {
    std::lock_guard const lock{mutex_};
    store_ = std::move(*store);
  }
  if (content_is_whole_ && !opened_) {
    for (std::uint32_t piece = 0; piece < metainfo_->piece_count(); ++piece) {
      store_->claim(offset_of(PieceIndex{piece}), shape(PieceIndex{piece}).content);
    }
    if (auto const flushed = store_->flush(); !flushed) return fail_with(flushed.error());
  } else if (auto const changed = store_->needs_recheck(); !changed.empty()) {
    recheck(changed);
  }
  opened_ = true;
}

void Torrent::recheck(std::vector<FileIndex> const& only) {
  {
    std::lock_guard const lock{mutex_};
    set_phase(TorrentPhase::checking);
    check_done_ = 0;
    check_total_ = 0;
    picker_.reset();
    assemblies_.clear();
    suspicions_.clear();
    completed_ = false;
    book_.skip_seeds(false);
  }
  auto const checked = store_->recheck(only, [this](std::uint64_t done, std::uint64_t total) {
    std::lock_guard const lock{mutex_};
    check_done_ = done;
    check_total_ = total;
  });
  if (checked || checked.error().fault == Fault::cancelled) return;
  // What was found is known; only its record waits for room.
  if (checked.error().fault == Fault::exhausted) return disk_trouble(checked.error());
  fail_with(checked.error());
}

void Torrent::make_picker() {
  auto const count = metainfo_->piece_count();
  // SHA-1 of a v1 piece is one chain; pieces that arrive side by side are hashed in lanes.
  auto const lanes = metainfo_->has_v2() ? 1u : kPiecesHashedAtOnce;
  picker_ = std::make_unique<Picker>(
      count, [this](PieceIndex piece) { return shape(piece); },
      Picker::Options{.seed = engine_.world.entropy().next(),
                      .total_bytes = metainfo_->total_size(),
                      .stripe = lanes,
                      .own_name = name_of(engine_.peer_id)});
  auto const pieces = store_->pieces();
  std::uint64_t in_whole_pieces = 0;
  for (std::uint32_t piece = 0; piece < count; ++piece) {
    if (record_.on_demand) picker_->set_priority(PieceIndex{piece}, std::nullopt);
    if (!pieces.test(piece)) continue;
    picker_->set_have(PieceIndex{piece});
    in_whole_pieces += shape(PieceIndex{piece}).content;
  }
  if (store_->verified_bytes() > in_whole_pieces) {
    for (std::uint32_t piece = 0; piece < count; ++piece) {
      if (pieces.test(piece)) continue;
      auto const content = shape(PieceIndex{piece}).content;
      for (std::uint32_t begin = 0; begin < content; begin += kBlockBytes) {
        if (!store_->has(offset_of(PieceIndex{piece}, begin),
                         std::min(kBlockBytes, content - begin)))
          continue;
        picker_->set_block_have(PieceIndex{piece}, begin / kBlockBytes);
      }
    }
  }
  completed_ = false;
}

// ----------------------------------------------------------------------------------- the session

bool Torrent::session_over() const { return stopping() || record_.paused || verify_ || failed_; }

void Torrent::run_session() {
  {
    std::lock_guard const lock{mutex_};
    in_session_ = true;
    last_tick_ = engine_.world.clock().now();
    last_choke_round_ = last_tick_;
    set_phase(metainfo_ ? TorrentPhase::downloading : TorrentPhase::metadata);
    changed_.notify_all();
  }
  {
    threads::scope scope;
    std::vector<std::string> web_seeds;
    scope.spawn("dialler", [&] { dial_loop(scope); }, {.isolated = true});
    std::set<unsigned> tiers;
    for (auto const& tracker : trackers_) tiers.insert(tracker->tier);
    for (auto const tier : tiers) {
      scope.spawn("announcer", [this, tier] { announce_loop(tier); }, {.isolated = true});
    }
    scope.spawn("sync", [&] { sync_loop(); }, {.isolated = true});
    if (picker_) begin_download(scope);
    session_loop(scope);
    {
      std::lock_guard const lock{mutex_};
      in_session_ = false;
      close_all(stopping() ? "stopped" : "paused");
    }
    scope.request_stop();
    threads::shield const shield;
    static_cast<void>(scope.join());
    std::unique_lock lock{mutex_};
    static_cast<void>(changed_.wait(lock, [this] { return peers_.empty(); }));
    down_rate_.rest();
    up_rate_.rest();
  }
  threads::shield const shield;
  announce_end();
  if (store_) {
    if (auto const flushed = store_->flush(); !flushed) fail_with(flushed.error());
  }
}

void Torrent::session_loop(threads::scope& scope) {
  std::unique_lock lock{mutex_};
  while (!session_over()) {
    // First, as the mutex is free meanwhile: what becomes of the rest is not missed by the wait
    // below.
    if (store_ && !failed_) {
      lock.unlock();
      auto const recorded = store_->record_if_due();
      if (!recorded) disk_trouble(recorded.error());
      if (disk_full_) look_for_room();
      lock.lock();
      if (session_over()) break;
    }
    auto const now = engine_.world.clock().now();
    auto wake = now + (picker_ && !picker_->done() ? kRecordInterval : kTick);
    if (metainfo_ && !picker_) {
      if (lacks_layers() && (!metainfo_->has_v1() || now - metadata_since_ < kLayersMax)) {
        wake = std::min(wake, ask_for_layers(now));
      } else {
        lock.unlock();
        metadata_arrived();
        if (store_ && picker_) begin_download(scope);
        lock.lock();
        continue;
      }
    }
    if (picker_ && picker_->have().all() && !completed_ && !disk_full_) {
      lock.unlock();
      complete();
      lock.lock();
      continue;
    }
    if (now - last_tick_ >= kTick) tick(now);
    if (!unsaid_haves_.empty() && now - haves_said_ >= kHaveInterval) say_haves();
    if (!unsaid_haves_.empty()) wake = std::min(wake, haves_said_ + kHaveInterval);
    if (picker_ && picker_->spares_seeds()) {
      if (now - reviewed_ >= kReviewInterval) review_seeds(now);
      wake = std::min(wake, reviewed_ + kReviewInterval);
    } else {
      reviewed_ = now;
    }
    static_cast<void>(control_.wait(lock, Deadline::at(wake)));
  }
}

/// What a killed process would leave is recorded by the session; this makes it last over a power
/// cut. A disk may take seconds for it, which nothing waits for.
void Torrent::sync_loop() {
  bool whole = false;
  std::unique_lock lock{mutex_};
  for (;;) {
    auto const waited =
        sync_due_.wait(lock, [&] { return completed_ && !whole; }, threads::within(kSyncInterval));
    if (!waited && waited.error().fault == Fault::cancelled) return;
    whole = completed_;
    if (!store_ || failed_) continue;
    lock.unlock();
    if (auto const flushed = store_->flush(); !flushed) disk_trouble(flushed.error());
    lock.lock();
  }
}

void Torrent::begin_download(threads::scope& scope) {
  if (auto const made = store_->create_files(); !made) return disk_trouble(made.error());
  if (picker_->have().all()) return;
  for (auto const& url : web_seed_urls()) {
    scope.spawn("web seed", [this, url] { web_seed_loop(url); }, {.isolated = true});
  }
}

void Torrent::complete() {
  auto recorded = store_->record();
  if (recorded) recorded = store_->create_files();
  if (!recorded) return disk_trouble(recorded.error());
  std::lock_guard const lock{mutex_};
  if (phase_ == TorrentPhase::downloading && since_ != TimePoint{} &&
      downloaded_ > record_.downloaded) {
    engine_.world.log().info("swarm", "{}: complete", name());
  }
  completed_ = true;
  book_.skip_seeds(true);
  for (auto const& tracker : trackers_) {
    if (tracker->announced) tracker->next = TimePoint{};
  }
  set_phase(TorrentPhase::seeding);
  for (auto const& peer : peers_) drop_if_useless(*peer);
  book_changed_.notify_all();
  changed_.notify_all();
  sync_due_.notify_all();
}

/// A `have` between blocks costs its receiver a copy of what follows it; a few at a time cost one.
void Torrent::say_haves() {
  haves_said_ = engine_.world.clock().now();
  for (auto const& peer : peers_) {
    if (!peer->shared.in_picker) continue;
    std::vector<PieceIndex> news;
    for (auto const piece : unsaid_haves_) {
      if (!picker_->peer_has_piece(peer->shared.slot, piece)) news.push_back(piece);
    }
    if (news.empty()) continue;
    peer->outbox.post(9 * news.size(), [&](MessageWriter& writer) {
      for (auto const piece : news) writer.about_piece(MessageType::have, piece);
    });
  }
  unsaid_haves_.clear();
}

/// Whether we need the seeds for more than our share.
void Torrent::review_seeds(TimePoint now) {
  auto const elapsed = std::chrono::duration<double>(now - std::exchange(reviewed_, now)).count();
  if (!picker_->review(elapsed)) return;
  fill_all();
  if (!web_seed_slots_.empty()) book_changed_.notify_all();
}

void Torrent::tick(TimePoint now) {
  auto const elapsed = std::chrono::duration<double>(now - last_tick_).count();
  last_tick_ = now;
  for (auto const& peer : peers_) {
    peer->shared.down_rate.tick(peer->downloaded, elapsed);
    peer->shared.up_rate.tick(peer->uploaded, elapsed);
    if (!metainfo_) ask_for_metadata(*peer);
  }
  down_rate_.tick(downloaded_, elapsed);
  up_rate_.tick(uploaded_, elapsed);
  look_for_snubs(now);
  if (now - last_choke_round_ >= kChokeRound) choke_round(now);
  if (picker_) fill_all();
}

std::uint64_t Torrent::room_needed() const {
  return metainfo_->total_size() - store_->verified_bytes() + kRoomForState;
}

/// After a full disk: goes on by itself when somebody has made room. Not at once: where a quota
/// says no, there seems to be room all the time.
void Torrent::look_for_room() {
  if (engine_.world.clock().now() - disk_full_since_ < kRoomRetry) return;
  auto folder = engine_.world.disk().open_directory(record_.folder, true);
  if (!folder) return;
  auto const space = (*folder)->space();
  if (!space) return;
  std::lock_guard const lock{mutex_};
  space_ = *space;
  if (space->free_bytes < std::min(room_needed(), kRoomMin)) return;
  engine_.world.log().info("swarm", "{}: there is room again", name());
  disk_full_.reset();
  fill_all();
}

}  // namespace mutirao::swarm
