#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "mutirao/net/http_server.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/world.h"

#include "site/site_item.h"

namespace mutirao::swarm {

/// The figures of the page as JSON, for programs and for the page's own script. Made at most once a
/// second, however many look at it.
class SiteLive {
 public:
  SiteLive(world::World& world, SiteSource& source, Tracker& tracker)
      : world_{world}, source_{source}, tracker_{tracker} {}

  /// GET /live
  Result<void> send(net::HttpResponder& responder);
  /// GET /live/events: server-sent events, one for each change, until the client leaves. 503 when
  /// too many listen already; the script then asks for /live now and then.
  Result<void> stream(net::HttpResponder& responder);

 private:
  [[nodiscard]] std::shared_ptr<std::string const> figures();

  world::World& world_;
  SiteSource& source_;
  Tracker& tracker_;
  std::atomic<unsigned> listeners_{0};
  threads::mutex mutex_;
  std::shared_ptr<std::string const> figures_;
  TimePoint made_at_{};
};

[[nodiscard]] std::string live_json(std::vector<SiteItem> const& items);

}  // namespace mutirao::swarm
