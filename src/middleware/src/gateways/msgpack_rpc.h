#pragma once

#include <cstddef>
#include <string>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/world/network.h"

namespace mutirao::middleware {

struct MsgpackRpcOptions {
  std::size_t calls_max = 256;  ///< of a connection at once; then we stop reading
  std::size_t message_bytes_max = 16 << 20;
  std::size_t bytes_under_way_max = 32 << 20;           ///< of requests that are being executed
  Duration call_timeout = std::chrono::seconds{30};     ///< the protocol has no way to say another
  Duration message_timeout = std::chrono::seconds{60};  ///< for a message that has begun to come
  Duration write_timeout = std::chrono::seconds{30};
};

/// The objects of a node for clients of msgpack-rpc
/// (github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md), which many languages have.
///
///   [0, id, "counter.add", [5]]  ->  [1, id, nil, 12]
///   [0, id, "counter.ad", [5]]   ->  [1, id, ["not_found", "counter is a ...", {...}], nil]
///   [2, "counter.add", [5]]      ->  nothing
///
/// Records are maps by the names of their fields. What a method yields comes as one array. Errors
/// begin as those of Neovim, which most clients were written for: a type, and a message for people.
///
/// Requests of a connection run at once and are answered as they end. Serves until the client ends
/// it, and then ends what is under way; a message that is none ends the connection.
Result<void> serve_msgpack_rpc(ObjectAdapter& adapter, world::Stream& stream, ByteView read_ahead,
                               std::string const& caller, MsgpackRpcOptions const& options = {});

}  // namespace mutirao::middleware
