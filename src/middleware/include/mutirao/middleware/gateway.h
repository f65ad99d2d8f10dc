#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/net/http_server.h"

namespace mutirao::middleware {

struct GatewayOptions {
  std::string name = "node";                         ///< title of the description
  std::vector<std::string> hosts{};                  ///< names by which browsers may know us
  Duration call_timeout = std::chrono::seconds{30};  ///< of a call that says nothing else
  Duration stream_beat = std::chrono::seconds{15};   ///< a silent stream shows that it is alive
};

/// The objects of a node for whoever has HTTP and JSON, such as curl.
///
///   curl -d '[5]' http://10.0.0.3:7000/o/counter/add      12
///   curl http://10.0.0.3:7000/o                           the objects
///   curl http://10.0.0.3:7000/o/counter                   what one can do
///   curl http://10.0.0.3:7000/openapi.json                all of it, OpenAPI 3.1
///
/// The body is the array of the arguments. Ones at the end may be missing, as everywhere; nothing
/// is none; and what is no array is the only argument. Methods that yield give server-sent events
/// when those are accepted, else one array. Cacheable methods can be got as well (GET, with
/// `?arguments=[...]`): those alone, since any page can make a browser get anything.
///
/// Understood are Authorization: Bearer (the capability of an object), traceparent,
/// Idempotency-Key, and for how long the caller waits: `Prefer: wait=5` (RFC 7240, seconds), or
/// finer with X-Deadline-Ms.
///
/// Pages of other sites may not call: a request with an Origin that is not ours is refused. Nor may
/// a page whose name was made to mean our address (DNS rebinding): what a browser could have sent
/// must name us by address, as localhost, by a name without a dot or by one of `hosts`. Browsers
/// send an Origin with each POST, so that a POST without one comes from a program, and may name us
/// in any way.
///
/// Any number of threads; `adapter` outlives this.
class Gateway {
 public:
  explicit Gateway(ObjectAdapter& adapter, GatewayOptions options = {});

  /// A net::HttpHandler.
  Result<void> handle(net::HttpServerRequest const& request, net::HttpResponder& responder) const;
  /// Whether that path is one of its own, for a server that has others as well.
  [[nodiscard]] static bool owns(std::string_view path) noexcept;

 private:
  ObjectAdapter& adapter_;
  GatewayOptions options_;
};

}  // namespace mutirao::middleware
