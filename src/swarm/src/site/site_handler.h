#pragma once

#include <string>

#include "mutirao/net/http_server.h"
#include "mutirao/world/world.h"

#include "site/site_live.h"
#include "site/site_source.h"
#include "site/site_text.h"
#include "site/site_torrent.h"

namespace mutirao::swarm {

/// Leads each request to what answers it: the addresses that site.h lists.
class SiteHandler {
 public:
  SiteHandler(world::World& world, SiteSource& source, Tracker& tracker, std::string base_url);
  Result<void> handle(net::HttpServerRequest const& request, net::HttpResponder& responder);

 private:
  Result<void> list(SiteText const& text, net::HttpServerRequest const& request,
                    net::HttpResponder& responder);
  Result<void> torrent(std::string_view name, SiteText const& text,
                       net::HttpServerRequest const& request, net::HttpResponder& responder);
  Result<void> file(std::string_view path, SiteText const& text,
                    net::HttpServerRequest const& request, net::HttpResponder& responder);
  Result<void> asset(std::string_view name, SiteText const& text,
                     net::HttpServerRequest const& request, net::HttpResponder& responder);
  [[nodiscard]] Result<SiteOrigin> origin(net::HttpServerRequest const& request) const;

  world::World& world_;
  SiteSource& source_;
  Tracker& tracker_;
  std::string base_url_;
  SiteLive live_;
};

}  // namespace mutirao::swarm
