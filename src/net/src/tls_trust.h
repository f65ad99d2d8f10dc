#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/world/network.h"

namespace mutirao::net {

/// Whom a TLS client believes: the certificates of the system, or those of one PEM file. Read once,
/// at the first connection; safe from any thread.
class TlsTrust {
 public:
  explicit TlsTrust(std::string ca_file);
  ~TlsTrust();

  /// A stream through TLS (1.2 or 1.3) over `inner` to a server that proved to be `host`, a name or
  /// an address. The handshake runs on a thread of its own, because it needs a larger stack.
  Result<std::unique_ptr<world::Stream>> connect(std::unique_ptr<world::Stream> inner,
                                                 std::string_view host, Deadline deadline);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace mutirao::net
