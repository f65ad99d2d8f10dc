#include "mutirao/net/tls_stream.h"

#include <utility>

#include <fmt/format.h>
#include <gnutls/gnutls.h>

#include "tls_session.h"

namespace mutirao::net {
namespace {

/// One group, so that a client computes one pair of keys for the exchange and not two.
constexpr char const* kKeyPriorities =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CTYPE-ALL:+CTYPE-RAWPK:-GROUP-ALL:+GROUP-X25519:-SIGN-ALL:"
    "+SIGN-EDDSA-ED25519";

Result<void> judge_key(std::optional<PublicKey> const& shown, TlsOptions const& options,
                       std::string const& peer) {
  if (!shown)
    return fail(Fault::refused, fmt::format("{} has shown no key of Ed25519", peer),
                "check the address: it may not be a node");
  if (options.expected && *shown != *options.expected)
    return fail(Fault::refused,
                fmt::format("{} has the key {}, and not {} that was expected", peer,
                            shown->fingerprint(), options.expected->fingerprint()),
                "check the address; if that node was set up anew, expect its new key");
  if (options.accepts && !options.accepts(*shown))
    return fail(
        Fault::refused,
        fmt::format("{} has the key {}, which is not accepted here", peer, shown->fingerprint()),
        "if you trust that node, add its key to those that are accepted");
  return {};
}

Result<std::unique_ptr<TlsStream>> open_with_key(unsigned side,
                                                 std::unique_ptr<world::Stream> inner,
                                                 TlsIdentity const& identity,
                                                 TlsOptions const& options, Deadline deadline) {
  auto const peer = inner->remote().to_string();
  auto const prepare = [&](gnutls_session_t session) {
    if (side == GNUTLS_SERVER) gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
  };
  auto const verify = [&](gnutls_session_t session) {
    return judge_key(shown_key(session), options, peer);
  };
  auto const ours = identity.public_key().fingerprint();
  return TlsSession::open(
      std::move(inner),
      {.flags = side | GNUTLS_ENABLE_RAWPK | GNUTLS_NO_TICKETS,
       .priorities = kKeyPriorities,
       .credentials = identity.credentials(),
       .prepare = prepare,
       .verify = verify,
       .refused_by_peer =
           Error{Fault::refused, fmt::format("the other side does not accept our key {}", ours),
                 fmt::format("let that node accept {}", ours)},
       .mend = "check the address and port: what is there may be no node",
       .read_ahead = options.read_ahead},
      deadline);
}

}  // namespace

Result<std::unique_ptr<TlsStream>> tls_accept(std::unique_ptr<world::Stream> inner,
                                              TlsIdentity const& identity,
                                              TlsOptions const& options, Deadline deadline) {
  return open_with_key(GNUTLS_SERVER, std::move(inner), identity, options, deadline);
}

Result<std::unique_ptr<TlsStream>> tls_connect(std::unique_ptr<world::Stream> inner,
                                               TlsIdentity const& identity,
                                               TlsOptions const& options, Deadline deadline) {
  return open_with_key(GNUTLS_CLIENT, std::move(inner), identity, options, deadline);
}

}  // namespace mutirao::net
