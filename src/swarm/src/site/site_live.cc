#include "site/site_live.h"

#include <mutex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mutirao/threads/this_thread.h"

#include "site/site_html.h"

namespace mutirao::swarm {
namespace {

using Json = nlohmann::ordered_json;

constexpr Duration kPeriod = std::chrono::seconds{1};
constexpr Duration kHeartbeat = std::chrono::seconds{15};  // proxies drop silent connections
constexpr unsigned kListenersMax = 64;

std::string_view phase_name(TorrentPhase phase) {
  switch (phase) {
    case TorrentPhase::metadata:
      return "metadata";
    case TorrentPhase::checking:
      return "checking";
    case TorrentPhase::downloading:
      return "downloading";
    case TorrentPhase::seeding:
      return "seeding";
    case TorrentPhase::paused:
      return "paused";
    case TorrentPhase::failed:
      return "failed";
  }
  return "failed";
}

Json torrent_json(SiteItem const& item) {
  auto const& status = item.status;
  return {{"id", status.id},
          {"name", status.name},
          {"phase", phase_name(status.phase)},
          {"why", status.why},
          {"mend", status.mend},
          {"bytes_total", status.bytes_total},
          {"bytes_verified", status.bytes_verified},
          {"pieces_total", status.pieces_total},
          {"pieces_verified", status.pieces_verified},
          {"percent", whole_percent(status.bytes_verified, status.bytes_total)},
          {"seeds", item.seeds},
          {"leeches", item.leeches},
          {"download_rate", static_cast<std::uint64_t>(status.download_rate)},
          {"upload_rate", static_cast<std::uint64_t>(status.upload_rate)},
          {"uploaded", status.uploaded},
          {"map", item.map}};
}

wire::HttpFields live_fields(std::string_view content_type) {
  auto fields = site_fields(content_type);
  fields.add("Cache-Control", "no-store");
  return fields;
}

/// Counts a listener while it lives.
class Listening {
 public:
  explicit Listening(std::atomic<unsigned>& count)
      : count_{count}, admitted_{count.fetch_add(1) < kListenersMax} {}
  ~Listening() { count_.fetch_sub(1); }
  Listening(Listening const&) = delete;
  Listening& operator=(Listening const&) = delete;
  [[nodiscard]] bool admitted() const noexcept { return admitted_; }

 private:
  std::atomic<unsigned>& count_;
  bool admitted_;
};

}  // namespace

std::string live_json(std::vector<SiteItem> const& items) {
  auto torrents = Json::array();
  for (auto const& item : items) torrents.push_back(torrent_json(item));
  // Names come from strangers and need not be UTF-8.
  return Json{{"torrents", std::move(torrents)}}.dump(-1, ' ', false,
                                                      Json::error_handler_t::replace);
}

std::shared_ptr<std::string const> SiteLive::figures() {
  auto const now = world_.clock().now();
  {
    std::lock_guard const lock{mutex_};
    if (figures_ && now - made_at_ < kPeriod) return figures_;
    if (figures_) made_at_ = now;  // the others go on with the old ones while we make new ones
  }
  auto made = std::make_shared<std::string const>(live_json(site_items(source_, tracker_)));
  std::lock_guard const lock{mutex_};
  figures_ = made;
  made_at_ = now;
  return made;
}

Result<void> SiteLive::send(net::HttpResponder& responder) {
  return responder.send(200, live_fields("application/json"), *figures());
}

Result<void> SiteLive::stream(net::HttpResponder& responder) {
  Listening const listening{listeners_};
  if (!listening.admitted()) {
    auto fields = live_fields("text/plain; charset=utf-8");
    fields.add("Retry-After", "30");
    return responder.send(503, std::move(fields), "too many listeners\n");
  }
  MUT_TRY(responder.begin_chunked(200, live_fields("text/event-stream")));
  std::string last;
  auto written_at = world_.clock().now();
  for (std::uint64_t id = 1; !responder.client_gone();) {
    auto const now = world_.clock().now();
    if (auto const current = figures(); *current != last) {
      last = *current;
      auto const event = fmt::format("id: {}\nevent: figures\ndata: {}\n\n", id++, last);
      if (!responder.write(base::view_of(event))) break;
      written_at = now;
    } else if (now - written_at >= kHeartbeat) {
      if (!responder.write(base::view_of(": still here\n\n"))) break;
      written_at = now;
    }
    if (!threads::sleep_for(kPeriod)) break;
  }
  return {};
}

}  // namespace mutirao::swarm
