#pragma once

#include <functional>
#include <string>

#include "mutirao/net/http_server.h"
#include "mutirao/node/library.h"
#include "mutirao/node/node.h"

namespace mutirao::node {

/// The HTTP face of a node on its control socket: docs/reference/control-api.md.
///
///   GET    /api/v1/status
///   GET    /api/v1/threads
///   GET    /api/v1/torrents                      POST: {"share": ...} or {"get": ...}
///   GET    /api/v1/torrents/NAME                 DELETE ?content=1
///   POST   /api/v1/torrents/NAME/pause | resume | verify
///   GET    /api/v1/events?torrent=NAME&interval_ms=500   a line of JSON every interval
///   POST   /api/v1/stop
///
/// Sharing answers with lines: {"hashing": ...} while it hashes, then {"shared": ...} or {"error":
/// ...}.
class ControlApi {
 public:
  /// `library` outlives it.
  ControlApi(Library& library, std::function<NodeStatus()> status, std::function<void()> stop);
  Result<void> handle(net::HttpServerRequest const& request, net::HttpResponder& responder);

 private:
  Result<void> answer_torrents(net::HttpServerRequest const& request,
                               net::HttpResponder& responder);
  Result<void> answer_torrent(std::string_view rest, net::HttpServerRequest const& request,
                              net::HttpResponder& responder);
  Result<void> answer_events(net::HttpServerRequest const& request, net::HttpResponder& responder);
  Result<void> answer_share(ShareRequest request, net::HttpResponder& responder);

  Library& library_;
  std::function<NodeStatus()> status_;
  std::function<void()> stop_;
};

}  // namespace mutirao::node
