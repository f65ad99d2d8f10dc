#include "tls.h"

#include <cerrno>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "mutirao/threads/blocking.h"
#include "mutirao/threads/mutex.h"
#include "mutirao/threads/scope.h"
#include "mutirao/world/address.h"

namespace mutirao::net {
namespace {

constexpr char const* kPriority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/// A TLS session over another stream. The library pulls and pushes through that stream's blocking
/// calls, so that waiting parks the user thread as everywhere else.
class TlsStream final : public world::Stream {
 public:
  TlsStream(std::unique_ptr<world::Stream> inner, gnutls_session_t session)
      : inner_{std::move(inner)}, session_{session} {
    gnutls_transport_set_ptr(session_, this);
    gnutls_transport_set_pull_function(session_, &TlsStream::pull);
    gnutls_transport_set_push_function(session_, &TlsStream::push);
    // Only asked with a timeout of the library's own, which we don't set: deadlines are ours.
    gnutls_transport_set_pull_timeout_function(session_,
                                               [](gnutls_transport_ptr_t, unsigned) { return 1; });
  }
  ~TlsStream() override { gnutls_deinit(session_); }

  Result<void> handshake(std::string_view host, Deadline deadline) {
    reading_.deadline = writing_.deadline = deadline;
    int result;
    do {
      result = gnutls_handshake(session_);
    } while (result < 0 && gnutls_error_is_fatal(result) == 0 && !reading_.error &&
             !writing_.error);
    if (result >= 0) return {};
    if (auto error = std::exchange(reading_.error, std::nullopt))
      return std::unexpected{std::move(*error).during("TLS handshake")};
    if (auto error = std::exchange(writing_.error, std::nullopt))
      return std::unexpected{std::move(*error).during("TLS handshake")};
    if (result == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) return std::unexpected{untrusted(host)};
    return fail(Fault::refused, fmt::format("TLS handshake: {}", gnutls_strerror(result)));
  }

  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) override {
    for (auto const part : into) {
      if (!part.empty()) return receive(part, deadline);
    }
    return 0;
  }

  Result<void> write_all(std::span<ByteView const> from, Deadline deadline) override {
    writing_.deadline = deadline;
    for (auto part : from) {
      while (!part.empty()) {
        auto const sent = gnutls_record_send(session_, part.data(), part.size());
        if (sent < 0 && gnutls_error_is_fatal(static_cast<int>(sent)) == 0 && !writing_.error)
          continue;
        if (sent < 0) return std::unexpected{failure(writing_, sent)};
        part = part.subspan(static_cast<std::size_t>(sent));
      }
    }
    return {};
  }

  void finish_writing() noexcept override {
    gnutls_bye(session_, GNUTLS_SHUT_WR);
    inner_->finish_writing();
  }
  void close() noexcept override { inner_->close(); }
  [[nodiscard]] world::Endpoint local() const override { return inner_->local(); }
  [[nodiscard]] world::Endpoint remote() const override { return inner_->remote(); }

 private:
  /// One direction: the deadline of the call that is under way, and why the inner stream failed it.
  struct Way {
    Deadline deadline = Deadline::never();
    std::optional<Error> error;
  };

  Result<std::size_t> receive(MutableBytes into, Deadline deadline) {
    reading_.deadline = deadline;
    while (true) {
      auto const count = gnutls_record_recv(session_, into.data(), into.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      // A session ticket or a key update came instead of data.
      if (gnutls_error_is_fatal(static_cast<int>(count)) == 0 && !reading_.error) continue;
      return std::unexpected{failure(reading_, count)};
    }
  }

  static ssize_t pull(gnutls_transport_ptr_t self, void* data, std::size_t size) {
    auto& stream = *static_cast<TlsStream*>(self);
    auto const count = stream.inner_->read_some(
        MutableBytes{static_cast<std::uint8_t*>(data), size}, stream.reading_.deadline);
    if (count) return static_cast<ssize_t>(*count);
    return stream.fail_with(stream.reading_, count.error());
  }

  static ssize_t push(gnutls_transport_ptr_t self, void const* data, std::size_t size) {
    auto& stream = *static_cast<TlsStream*>(self);
    auto const written = stream.inner_->write_all(
        ByteView{static_cast<std::uint8_t const*>(data), size}, stream.writing_.deadline);
    if (written) return static_cast<ssize_t>(size);
    return stream.fail_with(stream.writing_, written.error());
  }

  ssize_t fail_with(Way& way, Error error) {
    // After EAGAIN the session lives on: a read that timed out may be tried again.
    bool const passing = error.fault == Fault::timed_out || error.fault == Fault::cancelled;
    way.error = std::move(error);
    gnutls_transport_set_errno(session_, passing ? EAGAIN : EIO);
    return -1;
  }

  static Error failure(Way& way, ssize_t code) {
    if (auto error = std::exchange(way.error, std::nullopt)) return *std::move(error);
    if (code == GNUTLS_E_PREMATURE_TERMINATION)
      return {Fault::closed,
              "the other side ended the connection without the end of TLS: the data may be cut",
              {}};
    return {Fault::io, fmt::format("TLS: {}", gnutls_strerror(static_cast<int>(code))), {}};
  }

  Error untrusted(std::string_view host) const {
    gnutls_datum_t text{};
    std::string why = "not trusted";
    if (gnutls_certificate_verification_status_print(
            gnutls_session_get_verify_cert_status(session_), GNUTLS_CRT_X509, &text, 0) == 0) {
      why.assign(reinterpret_cast<char const*>(text.data), text.size);
      while (!why.empty() && (why.back() == ' ' || why.back() == '\0' || why.back() == '\n'))
        why.pop_back();
      gnutls_free(text.data);
    }
    return {
        Fault::refused, fmt::format("the certificate of {} is not good: {}", host, why),
        "check the address and this machine's clock, or give the certificate's issuer as CA file"};
  }

  std::unique_ptr<world::Stream> inner_;
  gnutls_session_t session_;
  Way reading_;
  Way writing_;
};

}  // namespace

struct TlsTrust::State {
  std::string ca_file;
  threads::mutex mutex;
  gnutls_certificate_credentials_t credentials = nullptr;

  Result<gnutls_certificate_credentials_t> get() {
    std::lock_guard const lock{mutex};
    if (credentials != nullptr) return credentials;
    gnutls_certificate_credentials_t fresh = nullptr;
    gnutls_certificate_allocate_credentials(&fresh);
    auto const count = threads::blocking([&] {
      return ca_file.empty() ? gnutls_certificate_set_x509_system_trust(fresh)
                             : gnutls_certificate_set_x509_trust_file(fresh, ca_file.c_str(),
                                                                      GNUTLS_X509_FMT_PEM);
    });
    if (count <= 0) {
      gnutls_certificate_free_credentials(fresh);
      return fail(
          Fault::not_found,
          fmt::format("no trusted certificates in {}", ca_file.empty() ? "the system" : ca_file),
          ca_file.empty() ? "install ca-certificates" : "give a PEM file that holds the issuer");
    }
    return credentials = fresh;
  }
};

TlsTrust::TlsTrust(std::string ca_file) : state_{std::make_unique<State>()} {
  state_->ca_file = std::move(ca_file);
}
TlsTrust::~TlsTrust() {
  if (state_->credentials != nullptr) gnutls_certificate_free_credentials(state_->credentials);
}

Result<std::unique_ptr<world::Stream>> TlsTrust::connect(std::unique_ptr<world::Stream> inner,
                                                         std::string_view host, Deadline deadline) {
  std::unique_ptr<TlsStream> stream;
  auto const shake_hands = [&]() -> Result<void> {
    auto const credentials = MUT_TRY(state_->get());
    gnutls_session_t session = nullptr;
    if (gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) != GNUTLS_E_SUCCESS)
      return fail(Fault::exhausted, "TLS: no memory for a session");
    stream = std::make_unique<TlsStream>(std::move(inner), session);
    std::string const name{host};
    gnutls_priority_set_direct(session, kPriority, nullptr);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (!world::IpAddress::parse(name))
      gnutls_server_name_set(session, GNUTLS_NAME_DNS, name.data(), name.size());
    gnutls_session_set_verify_cert(session, name.c_str(), 0);
    gnutls_datum_t protocol{.data = reinterpret_cast<unsigned char*>(const_cast<char*>("http/1.1")),
                            .size = 8};
    gnutls_alpn_set_protocols(session, &protocol, 1, 0);
    return stream->handshake(name, deadline);
  };
  threads::scope handshake;
  handshake.spawn("tls handshake", shake_hands, {.stack = threads::stack_size::large});
  MUT_TRY(handshake.join());
  return stream;
}

}  // namespace mutirao::net
