#pragma once

#include <functional>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/middleware/broker.h"

/// What a small program needs around its objects: user threads, the real world, a broker, an end by
/// Ctrl-C, and errors told to whoever started it. A node makes these parts by itself.
namespace mutirao::middleware {

/// Serves the objects that `add` puts there until SIGINT or SIGTERM, and says on standard output
/// where: `at` is "127.0.0.1:7000", and with port 0 the system chooses. The exit code.
[[nodiscard]] int serve_objects(std::string_view at,
                                std::function<Result<void>(Broker&)> const& add);

/// Runs `work`, which calls the objects of others; SIGINT and SIGTERM ask it to stop. The exit
/// code.
[[nodiscard]] int use_objects(std::function<Result<void>(Broker&)> const& work);

}  // namespace mutirao::middleware
