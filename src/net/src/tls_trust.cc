#include "tls_trust.h"

#include <mutex>
#include <utility>

#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/world/address.h"

#include "tls_session.h"

namespace mutirao::net {
namespace {

constexpr char const* kTrustPriorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/// Whether the server's certificate is trusted, and names `host`.
Result<void> verify_certificate(gnutls_session_t session, std::string const& host) {
  unsigned status = 0;
  if (gnutls_certificate_verify_peers3(session, host.c_str(), &status) == GNUTLS_E_SUCCESS &&
      status == 0)
    return {};
  gnutls_datum_t text{};
  std::string why = "not trusted";
  if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == 0) {
    why.assign(reinterpret_cast<char const*>(text.data), text.size);
    while (!why.empty() && (why.back() == ' ' || why.back() == '\0' || why.back() == '\n'))
      why.pop_back();
    gnutls_free(text.data);
  }
  return fail(
      Fault::refused, fmt::format("the certificate of {} is not good: {}", host, why),
      "check the address and this machine's clock, or give the certificate's issuer as CA file");
}

}  // namespace

struct TlsTrust::State {
  std::string ca_file;
  threads::mutex mutex;
  TlsCredentials credentials;

  Result<TlsCredentials> get() {
    std::lock_guard const lock{mutex};
    if (credentials != nullptr) return credentials;
    auto fresh = new_tls_credentials();
    auto const count = threads::blocking([&] {
      return ca_file.empty() ? gnutls_certificate_set_x509_system_trust(fresh.get())
                             : gnutls_certificate_set_x509_trust_file(fresh.get(), ca_file.c_str(),
                                                                      GNUTLS_X509_FMT_PEM);
    });
    if (count <= 0)
      return fail(
          Fault::not_found,
          fmt::format("no trusted certificates in {}", ca_file.empty() ? "the system" : ca_file),
          ca_file.empty() ? "install ca-certificates" : "give a PEM file that holds the issuer");
    return credentials = std::move(fresh);
  }
};

TlsTrust::TlsTrust(std::string ca_file) : state_{std::make_unique<State>()} {
  state_->ca_file = std::move(ca_file);
}
TlsTrust::~TlsTrust() = default;

Result<std::unique_ptr<world::Stream>> TlsTrust::connect(std::unique_ptr<world::Stream> inner,
                                                         std::string_view host, Deadline deadline) {
  std::string const name{host};
  auto const prepare = [&](gnutls_session_t session) {
    if (!world::IpAddress::parse(name))
      gnutls_server_name_set(session, GNUTLS_NAME_DNS, name.data(), name.size());
    gnutls_datum_t protocol{.data = reinterpret_cast<unsigned char*>(const_cast<char*>("http/1.1")),
                            .size = 8};
    gnutls_alpn_set_protocols(session, &protocol, 1, 0);
  };
  auto const verify = [name](gnutls_session_t session) {
    return verify_certificate(session, name);
  };
  return TlsSession::open(std::move(inner),
                          {.flags = GNUTLS_CLIENT,
                           .priorities = kTrustPriorities,
                           .credentials = MUT_TRY(state_->get()),
                           .prepare = prepare,
                           .verify = verify,
                           .mend = "check the address and port"},
                          deadline);
}

}  // namespace mutirao::net
