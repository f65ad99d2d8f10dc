#include "tls_session.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "mutirao/base/check.h"
#include "mutirao/threads/scope.h"
#include "mutirao/threads/this_thread.h"

#include "key_info.h"

namespace mutirao::net {
namespace {

/// Encrypted, from and to the inner stream at a time: a few records of 16 KiB.
constexpr std::size_t kIncomingBytes = 64 << 10;
constexpr std::size_t kOutgoingBytes = 64 << 10;

/// How long a last word may wait for room, and its reader for the end of what was on the way.
constexpr Duration kLastWord = 2s;
constexpr std::size_t kLeftoverBytesMax = 256 << 10;

/// ContentType of RFC 8446 B.1: change_cipher_spec to application_data.
constexpr std::uint8_t kContentFirst = 20;
constexpr std::uint8_t kContentLast = 23;

/// The bytes of many buffers as records: a large buffer in slices as it lies, small ones together.
class RecordCutter {
 public:
  RecordCutter(std::span<ByteView const> from, std::size_t most, Bytes& gathered)
      : from_{from}, most_{most}, gathered_{gathered} {
    skip_taken();
  }

  /// Until the next call; empty at the end.
  ByteView next() {
    if (from_.empty()) return {};
    if (from_.size() == 1 || from_.front().size() - taken_ >= most_) return take(most_);
    gathered_.clear();
    while (!from_.empty() && gathered_.size() < most_) {
      auto const part = take(most_ - gathered_.size());
      gathered_.insert(gathered_.end(), part.begin(), part.end());
    }
    return gathered_;
  }

 private:
  ByteView take(std::size_t most) {
    auto const rest = from_.front().subspan(taken_);
    auto const part = rest.first(std::min(rest.size(), most));
    taken_ += part.size();
    skip_taken();
    return part;
  }
  void skip_taken() {
    while (!from_.empty() && taken_ == from_.front().size()) {
      from_ = from_.subspan(1);
      taken_ = 0;
    }
  }

  std::span<ByteView const> from_;
  std::size_t taken_ = 0;  // of from_.front()
  std::size_t most_;
  Bytes& gathered_;
};

std::unexpected<Error> closed_here(std::string_view step) {
  return fail(Fault::closed, fmt::format("{}: this side has closed the connection", step));
}

/// Whether an alert is about who we are (RFC 8446 section 6.2).
bool is_about_identity(gnutls_alert_description_t alert) {
  switch (alert) {
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_EXPIRED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
    case GNUTLS_A_UNKNOWN_CA:
    case GNUTLS_A_ACCESS_DENIED:
    case GNUTLS_A_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

}  // namespace

TlsCredentials new_tls_credentials() {
  gnutls_certificate_credentials_t fresh = nullptr;
  MUT_ASSERT(gnutls_certificate_allocate_credentials(&fresh) == GNUTLS_E_SUCCESS);
  return {fresh, gnutls_certificate_free_credentials};
}

std::optional<PublicKey> shown_key(gnutls_session_t session) {
  if (gnutls_certificate_type_get2(session, GNUTLS_CTYPE_PEERS) != GNUTLS_CRT_RAWPK)
    return std::nullopt;
  unsigned count = 0;
  auto const* const shown = gnutls_certificate_get_peers(session, &count);
  if (shown == nullptr || count != 1) return std::nullopt;
  return from_key_info(ByteView{shown->data, shown->size});
}

Result<std::unique_ptr<TlsSession>> TlsSession::open(std::unique_ptr<world::Stream> inner,
                                                     TlsTerms const& terms, Deadline deadline) {
  std::unique_ptr<TlsSession> opened;
  threads::scope handshake;
  handshake.spawn("tls handshake",
                  [&]() -> Result<void> {
                    gnutls_session_t session = nullptr;
                    if (gnutls_init(&session, terms.flags | GNUTLS_NO_SIGNAL) != GNUTLS_E_SUCCESS)
                      return fail(Fault::exhausted, "TLS: no memory for a session");
                    opened.reset(new TlsSession{std::move(inner), session, terms});
                    MUT_TRY(opened->prepare(terms));
                    return opened->shake_hands(deadline);
                  },
                  {.stack = threads::stack_size::large});
  MUT_TRY(handshake.join());
  return opened;
}

TlsSession::TlsSession(std::unique_ptr<world::Stream> inner, gnutls_session_t session,
                       TlsTerms const& terms)
    : inner_{std::move(inner)},
      session_{session},
      credentials_{terms.credentials},
      verify_{terms.verify},
      refused_by_peer_{terms.refused_by_peer},
      mend_{terms.mend},
      incoming_size_{std::max(kIncomingBytes, terms.read_ahead.size())},
      incoming_end_{terms.read_ahead.size()} {
  incoming_ = std::make_unique_for_overwrite<std::uint8_t[]>(incoming_size_);
  std::ranges::copy(terms.read_ahead, incoming_.get());
  if (!terms.read_ahead.empty()) first_byte_ = terms.read_ahead.front();
  gnutls_session_set_ptr(session_, this);
  gnutls_session_set_verify_function(session_, &TlsSession::verify);
  gnutls_transport_set_ptr(session_, this);
  gnutls_transport_set_pull_function(session_, &TlsSession::pull);
  gnutls_transport_set_push_function(session_, &TlsSession::push);
  // Only asked with a timeout of the library's own, which we don't set: deadlines are ours.
  gnutls_transport_set_pull_timeout_function(session_,
                                             [](gnutls_transport_ptr_t, unsigned) { return 1; });
}

Result<void> TlsSession::prepare(TlsTerms const& terms) {
  int const known = gnutls_priority_set_direct(session_, terms.priorities, nullptr);
  if (known != GNUTLS_E_SUCCESS)
    return fail(
        Fault::unsupported,
        fmt::format("TLS: the library does not do {}: {}", terms.priorities,
                    gnutls_strerror(known)),
        "look into the system's configuration of GnuTLS (/etc/gnutls/config) for what it forbids");
  gnutls_credentials_set(session_, GNUTLS_CRD_CERTIFICATE, credentials_.get());
  if (terms.prepare) terms.prepare(session_);
  return {};
}

Result<void> TlsSession::shake_hands(Deadline deadline) {
  auto const step = fmt::format("TLS handshake with {}", remote().to_string());
  for (;;) {
    missed_ = false;
    int const result = gnutls_handshake(session_);
    if (result < 0 && gnutls_error_is_fatal(result) != 0) {
      dismiss(result, deadline);
      if (refusal_) return std::unexpected{*std::move(refusal_)};
      return std::unexpected{failure(result).during(step)};
    }
    if (auto told = flush(deadline); !told)
      return std::unexpected{std::move(told).error().during(step)};
    if (result >= 0) break;
    if (!missed_) continue;  // a warning
    if (auto filled = fill(deadline); !filled)
      return std::unexpected{std::move(filled).error().during(step)};
  }
  peer_key_ = shown_key(session_).value_or(PublicKey{});
  record_bytes_max_ = gnutls_record_get_max_size(session_);
  verify_ = nullptr;
  shaken_ = true;
  return {};
}

/// Tells the other side why the handshake fails, and lets it have the time to read that: a
/// connection closed with bytes unread would be reset, and the reset overtake what was said.
void TlsSession::dismiss(int code, Deadline deadline) {
  if (cut_ || code == GNUTLS_E_FATAL_ALERT_RECEIVED || !speaks_tls()) return;
  gnutls_alert_send_appropriate(session_, code);
  auto const until = earlier(deadline, threads::within(kLastWord));
  if (!flush(until)) return;
  inner_->finish_writing();
  for (std::size_t leftover = 0; leftover < kLeftoverBytesMax;) {
    auto const count = inner_->read_some(MutableBytes{incoming_.get(), incoming_size_}, until);
    if (!count || *count == 0) return;
    leftover += *count;
  }
}

Result<std::size_t> TlsSession::read_some(std::span<MutableBytes const> into, Deadline deadline) {
  for (;;) {
    if (closed_) return closed_here("read");
    if (auto const got = MUT_TRY(decrypt(into))) return *got;
    MUT_TRY(fill(deadline));
  }
}

/// What is here already: 0 at the end, and nothing when the next record has not come yet.
Result<std::optional<std::size_t>> TlsSession::decrypt(std::span<MutableBytes const> into) {
  std::size_t total = 0;
  for (auto part : into) {
    while (!part.empty()) {
      auto const got = decrypt(part);
      bool const more = got && *got && **got > 0;
      if (!more && total > 0) return total;  // the end or the failure comes again
      if (!more) return got;
      total += **got;
      part = part.subspan(**got);
    }
  }
  return total;
}

/// The same of one record.
Result<std::optional<std::size_t>> TlsSession::decrypt(MutableBytes into) {
  if (read_failure_) return std::unexpected{*read_failure_};
  for (;;) {
    std::lock_guard const lock{mutex_};
    missed_ = false;
    receiving_ = true;
    auto const got = gnutls_record_recv(session_, into.data(), into.size());
    receiving_ = false;
    if (got > 0 || (got == 0 && !cut_)) return static_cast<std::size_t>(got);
    if (got == 0 || gnutls_error_is_fatal(static_cast<int>(got)) != 0) {
      read_failure_ = failure(static_cast<int>(got));
      return std::unexpected{*read_failure_};
    }
    if (missed_) return std::nullopt;
    // Else a session ticket or a change of keys came instead of data.
  }
}

Result<void> TlsSession::fill(Deadline deadline) {
  MUT_ASSERT(incoming_begin_ == incoming_end_);
  auto const count =
      MUT_TRY(inner_->read_some(MutableBytes{incoming_.get(), incoming_size_}, deadline));
  incoming_begin_ = 0;
  incoming_end_ = count;
  if (count == 0) {
    ended_ = true;
  } else if (!first_byte_) {
    first_byte_ = incoming_[0];
  }
  return {};
}

Result<void> TlsSession::write_all(std::span<ByteView const> from, Deadline deadline) {
  if (closed_) return closed_here("write");
  if (write_failure_) return std::unexpected{*write_failure_};
  if (finished_) return fail(Fault::closed, "write: this side has finished writing");
  RecordCutter records{from, record_bytes_max_, gathered_};
  for (auto record = records.next(); !record.empty(); record = records.next()) {
    MUT_TRY(encrypt(record));
    if (outgoing_.size() >= kOutgoingBytes) MUT_TRY(flush(deadline));
  }
  return flush(deadline);
}

Result<void> TlsSession::encrypt(ByteView record) {
  while (!record.empty()) {
    std::lock_guard const lock{mutex_};
    auto const sent = gnutls_record_send(session_, record.data(), record.size());
    if (sent < 0 && gnutls_error_is_fatal(static_cast<int>(sent)) == 0) continue;
    if (sent < 0) {
      write_failure_ = sent == GNUTLS_E_INVALID_SESSION
                           ? Error{Fault::closed, "TLS has ended: a read says why", {}}
                           : Error{Fault::closed,
                                   fmt::format("TLS: {}", gnutls_strerror(static_cast<int>(sent))),
                                   {}};
      return std::unexpected{*write_failure_};
    }
    record = record.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

Result<void> TlsSession::flush(Deadline deadline) {
  if (outgoing_.empty()) return {};
  auto written = inner_->write_all(ByteView{outgoing_}, deadline);
  outgoing_.clear();
  // Nobody knows where in a record the other side is now.
  if (!written)
    write_failure_ = {Fault::closed, "TLS: an earlier write broke off, so nothing can follow", {}};
  return written;
}

void TlsSession::finish_writing() noexcept {
  if (!closed_ && !write_failure_ && !std::exchange(finished_, true)) {
    // A thread that was asked to stop ends its streams in good order all the same.
    threads::shield const shield;
    {
      std::lock_guard const lock{mutex_};
      gnutls_bye(session_, GNUTLS_SHUT_WR);
    }
    static_cast<void>(flush(threads::within(kLastWord)));
  }
  inner_->finish_writing();
}

void TlsSession::close() noexcept {
  closed_ = true;
  inner_->close();
}

ssize_t TlsSession::pull(gnutls_transport_ptr_t self, void* data, std::size_t size) {
  auto& session = *static_cast<TlsSession*>(self);
  auto const count = std::min(size, session.incoming_end_ - session.incoming_begin_);
  if (count > 0) {
    std::memcpy(data, &session.incoming_[session.incoming_begin_], count);
    session.incoming_begin_ += count;
    return static_cast<ssize_t>(count);
  }
  if (session.ended_) {
    session.cut_ = true;
    return 0;
  }
  session.missed_ = true;
  gnutls_transport_set_errno(session.session_, EAGAIN);
  return -1;
}

ssize_t TlsSession::push(gnutls_transport_ptr_t self, void const* data, std::size_t size) {
  auto& session = *static_cast<TlsSession*>(self);
  if (session.receiving_) {
    // The buffer is the writing thread's. The library keeps what it has for its next send.
    session.missed_ = true;
    gnutls_transport_set_errno(session.session_, EAGAIN);
    return -1;
  }
  auto const* const bytes = static_cast<std::uint8_t const*>(data);
  session.outgoing_.insert(session.outgoing_.end(), bytes, bytes + size);
  return static_cast<ssize_t>(size);
}

int TlsSession::verify(gnutls_session_t session) {
  auto& self = *static_cast<TlsSession*>(gnutls_session_get_ptr(session));
  auto verdict = self.verify_(session);
  if (verdict) return 0;
  self.refusal_ = std::move(verdict).error();
  return GNUTLS_E_CERTIFICATE_ERROR;
}

bool TlsSession::speaks_tls() const noexcept {
  return !first_byte_ || (*first_byte_ >= kContentFirst && *first_byte_ <= kContentLast);
}

Error TlsSession::failure(int code) const {
  auto const told = [&](Fault fault, std::string what) {
    return Error{fault, std::move(what), std::string{shaken_ ? "" : mend_}};
  };
  if (!speaks_tls()) return told(Fault::corrupt, "what the other side says is not TLS");
  if (cut_ && !shaken_) return {Fault::closed, "the other side ended the connection", {}};
  if (cut_)
    return {Fault::closed,
            "the other side ended the connection without the end of TLS: the data may be cut",
            {}};
  if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    auto const alert = gnutls_alert_get(session_);
    if (refused_by_peer_ && is_about_identity(alert)) return *refused_by_peer_;
    return told(Fault::refused,
                fmt::format("the other side broke TLS off: {}", gnutls_alert_get_name(alert)));
  }
  if (shaken_) return {Fault::corrupt, fmt::format("TLS: {}", gnutls_strerror(code)), {}};
  return told(Fault::refused, gnutls_strerror(code));
}

}  // namespace mutirao::net
