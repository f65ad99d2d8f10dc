#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/net/tls_identity.h"
#include "mutirao/world/network.h"

namespace mutirao::net {

/// A stream between two nodes that have proved their keys to each other.
///
/// Nodes have no names that an authority could vouch for, and maybe no clock to judge certificates
/// by. So there are none: each side shows its bare public key (RFC 7250) and proves that it has the
/// private one. TLS 1.3 (RFC 8446) only. Whoever knows the other's key knows whom it talks to.
///
/// As with every stream, one thread may read and one may write at the same time. finish_writing()
/// is the orderly end, and may wait a moment for room to say so; a stream that is closed, destroyed
/// or cut without it is Fault::closed on the other side, and never an end. A write that failed half
/// way ends writing; a read that timed out or was cancelled may be tried again. Buffers take up to
/// 200 KiB once much has passed.
class TlsStream : public world::Stream {
 public:
  /// Of the other side.
  [[nodiscard]] virtual PublicKey const& peer_key() const noexcept = 0;
};

struct TlsOptions {
  /// Whose key must be at the other end, when that is known.
  std::optional<PublicKey> expected{};
  /// Whether a key is good; empty: all are, and it is for the caller to look at peer_key(). Called
  /// during the handshake, maybe on another thread.
  std::function<bool(PublicKey const&)> accepts{};
  /// What has been read from the inner stream already, to find out whether it speaks TLS.
  ByteView read_ahead{};
};

/// Shakes hands over `inner` with a node that connected to us, or to which we connected. A key that
/// is not accepted is Fault::refused, and the other side is told so. It learns that
/// - from tls_accept(), when it refuses it in tls_connect();
/// - from its first read, when tls_accept() does: in TLS 1.3 the connecting side is done before its
///   own key is looked at.
///
/// Meanwhile the handshake has a thread of its own, because it needs a larger stack.
Result<std::unique_ptr<TlsStream>> tls_accept(std::unique_ptr<world::Stream> inner,
                                              TlsIdentity const& identity,
                                              TlsOptions const& options, Deadline deadline);
Result<std::unique_ptr<TlsStream>> tls_connect(std::unique_ptr<world::Stream> inner,
                                               TlsIdentity const& identity,
                                               TlsOptions const& options, Deadline deadline);

}  // namespace mutirao::net
