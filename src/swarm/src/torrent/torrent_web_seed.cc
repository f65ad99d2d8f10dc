#include <algorithm>

#include "mutirao/swarm/web_seed.h"
#include "mutirao/threads/this_thread.h"

#include "torrent/torrent.h"

// Web servers as one more place to fetch from (BEP 19): each has a thread that asks for runs of
// blocks, and goes the way of every other block.
namespace mutirao::swarm {

namespace {
constexpr std::size_t kBlocksAtOnce = 64;  // 1 MiB
constexpr auto kAnswerMax = std::chrono::seconds{60};
constexpr auto kWebSeedRetryFirst = std::chrono::seconds{5};
constexpr auto kWebSeedRetryMax = std::chrono::minutes{10};
constexpr auto kIdle = std::chrono::seconds{1};
}  // namespace

std::vector<std::string> Torrent::web_seed_urls() const {
  auto urls = magnet_.web_seeds;
  if (metainfo_)
    urls.insert(urls.end(), metainfo_->web_seeds().begin(), metainfo_->web_seeds().end());
  std::ranges::sort(urls);
  auto const repeated = std::ranges::unique(urls);
  urls.erase(repeated.begin(), repeated.end());
  return urls;
}

void Torrent::web_seed_loop(std::string const& url) {
  WebSeed seed{engine_.http, url, metainfo_};
  PeerSlot slot = 0;
  {
    std::lock_guard const lock{mutex_};
    slot = picker_->join();
    picker_->peer_has_all(slot);
    web_seed_slots_.insert(slot);
    web_seeds_.try_emplace(url,
                           WebSeedStatus{.url = url, .state = "waiting", .why = "not asked yet"});
  }
  unsigned failures = 0;
  RequestWindow window;
  while (!threads::stop_requested()) {
    auto const fetched = fetch_from_web(seed, slot, window);
    std::unique_lock lock{mutex_};
    auto& status = web_seeds_[url];
    if (!web_seed_slots_.contains(slot)) {
      status.state = "failed";
      status.why = "it sent wrong data and is not used any more";
      break;
    }
    if (completed_) {
      status.state = "waiting";
      status.why = "everything is here";
      break;
    }
    if (fetched && *fetched > 0) {
      failures = 0;
      status.state = "working";
      status.why = "fetching";
      status.downloaded += *fetched;
      continue;
    }
    Duration wait = kIdle;
    if (fetched && status.state == "working") {
      status.state = "waiting";
      status.why = "nothing to ask it for at present";
    }
    if (!fetched) {
      if (fetched.error().fault == Fault::cancelled) break;
      status.state = "failed";
      status.why = fetched.error().what;
      engine_.world.log().info("swarm", "{}: web seed {}: {}", name(), url, fetched.error().what);
      wait = std::min<Duration>(kWebSeedRetryFirst * (1u << std::min(failures++, 8u)),
                                kWebSeedRetryMax);
    }
    if (auto const waited = book_changed_.wait(lock, threads::within(wait));
        !waited && waited.error().fault == Fault::cancelled)
      break;
  }
  std::lock_guard const lock{mutex_};
  web_seed_slots_.erase(slot);
  if (picker_) {
    for (auto const piece : picker_->leave(slot)) {
      assemblies_.erase(piece.value);
      store_->unclaim(piece);
    }
    fill_all();
  }
}

/// Bytes that came; 0 when there is nothing to ask for at present.
Result<std::uint64_t> Torrent::fetch_from_web(WebSeed& seed, PeerSlot slot, RequestWindow& window) {
  std::vector<Picker::Pick> picks;
  {
    std::lock_guard const lock{mutex_};
    if (disk_full_ || failed_ || !in_session_) return 0;
    picker_->pick(slot, kBlocksAtOnce, picks);
    for (auto const& pick : picks) {
      if (!pick.taken_from) continue;
      if (auto* const loser = find_peer(*pick.taken_from);
          loser != nullptr && loser->forget_request(pick.range)) {
        loser->post_block(MessageType::cancel, pick.range);
      }
    }
  }
  if (picks.empty()) return 0;
  Bytes run;
  auto result = Result<std::uint64_t>{0};
  std::size_t next = 0;
  while (next < picks.size() && result) {
    auto const first = next;
    auto const offset = offset_of(picks[first].range.piece, picks[first].range.begin);
    auto length = std::uint64_t{0};
    while (next < picks.size() &&
           offset_of(picks[next].range.piece, picks[next].range.begin) == offset + length) {
      length += picks[next++].range.length;
    }
    run.resize(length);
    auto const asked_at = engine_.world.clock().now();
    if (auto const read = seed.read(offset, run, threads::within(kAnswerMax)); !read) {
      result = std::unexpected{read.error()};
      next = first;
      break;
    }
    if (auto const kept = keep_from_web(slot, std::span{picks}.subspan(first, next - first), run);
        !kept) {
      result = std::unexpected{kept.error()};
    }
    if (result) *result += length;
    window.delivered(static_cast<std::uint32_t>(length), asked_at, engine_.world.clock().now(),
                     false);
  }
  std::lock_guard const lock{mutex_};
  for (; next < picks.size(); ++next) picker_->give_back(slot, picks[next].range);
  picker_->set_pace(slot, {window.bytes_per_s(), window.latency_s()});
  return result;
}

Result<void> Torrent::keep_from_web(PeerSlot slot, std::span<Picker::Pick const> picks,
                                    ByteView run) {
  for (std::size_t first = 0; first < picks.size();) {
    std::vector<ArrivedBlock> batch;
    batch.push_back({picks[first].range, MUT_TRY(pool_.take(Deadline::never()))});
    std::vector<BlockBuffer> more;
    pool_.try_take(std::min<std::size_t>(picks.size() - first, Receiver::kBlocksAtOnceMax) - 1,
                   more);
    for (auto& buffer : more)
      batch.push_back({picks[first + batch.size()].range, std::move(buffer)});
    first += batch.size();
    for (auto const& each : batch) {
      std::ranges::copy(run.first(each.range.length), each.buffer.data());
      run = run.subspan(each.range.length);
    }
    std::vector<Work> work;
    {
      std::lock_guard const lock{mutex_};
      work = accept(slot, batch);
    }
    keep(work);
  }
  return {};
}

}  // namespace mutirao::swarm
