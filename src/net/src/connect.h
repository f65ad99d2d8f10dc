#pragma once

#include <memory>
#include <optional>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/wire/http.h"
#include "mutirao/world/world.h"

namespace mutirao::net {

/// A TCP connection to the host of `url`: each of its addresses in turn, IPv6 and IPv4 alternating,
/// until one answers. With `public_only`, internal addresses are left out; when nothing else is
/// left it fails with Fault::refused. The check is on the very address that is connected to, after
/// DNS.
Result<std::unique_ptr<world::Stream>> connect_to(world::World& world, wire::Url const& url,
                                                  bool public_only,
                                                  std::optional<world::IpAddress> from,
                                                  Deadline deadline);

}  // namespace mutirao::net
