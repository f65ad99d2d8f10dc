#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <gnutls/gnutls.h>

#include "mutirao/net/tls_stream.h"
#include "mutirao/threads/mutex.h"

namespace mutirao::net {

using TlsCredentials = std::shared_ptr<gnutls_certificate_credentials_st>;
[[nodiscard]] TlsCredentials new_tls_credentials();

/// What a session is to be.
struct TlsTerms {
  unsigned flags;          ///< of gnutls_init: which side, and more
  char const* priorities;  ///< the library's text for versions and algorithms
  TlsCredentials credentials;
  std::function<void(gnutls_session_t)> prepare{};  ///< what else to set before the handshake
  /// Looks at what the other side has shown of itself; its error refuses the other side.
  std::function<Result<void>(gnutls_session_t)> verify;
  /// What it means that the other side refuses what we have shown.
  std::optional<Error> refused_by_peer{};
  std::string_view mend;  ///< of a handshake that fails for any other reason; a literal
  ByteView read_ahead{};
};

/// A session of the TLS library over another stream.
///
/// The library lets one thread send and another receive, as long as neither meets a change of keys;
/// and those come when the other side likes. So here it works in memory only, under one lock for
/// each record: the blocking calls of the inner stream are made outside of it, for several records
/// at a time, and no user thread parks inside the library.
class TlsSession final : public TlsStream {
 public:
  /// Shakes hands on a thread of its own with a large stack.
  static Result<std::unique_ptr<TlsSession>> open(std::unique_ptr<world::Stream> inner,
                                                  TlsTerms const& terms, Deadline deadline);
  ~TlsSession() override { gnutls_deinit(session_); }

  using Stream::read_some;
  using Stream::write_all;
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline deadline) override;
  Result<void> write_all(std::span<ByteView const> from, Deadline deadline) override;
  void finish_writing() noexcept override;
  void close() noexcept override;
  [[nodiscard]] world::Endpoint local() const override { return inner_->local(); }
  [[nodiscard]] world::Endpoint remote() const override { return inner_->remote(); }
  [[nodiscard]] PublicKey const& peer_key() const noexcept override { return peer_key_; }

 private:
  TlsSession(std::unique_ptr<world::Stream> inner, gnutls_session_t session, TlsTerms const& terms);

  Result<void> prepare(TlsTerms const& terms);
  Result<void> shake_hands(Deadline deadline);
  Result<std::optional<std::size_t>> decrypt(std::span<MutableBytes const> into);
  Result<std::optional<std::size_t>> decrypt(MutableBytes into);
  Result<void> fill(Deadline deadline);
  Result<void> encrypt(ByteView record);
  Result<void> flush(Deadline deadline);
  void dismiss(int code, Deadline deadline);

  static ssize_t pull(gnutls_transport_ptr_t self, void* data, std::size_t size);
  static ssize_t push(gnutls_transport_ptr_t self, void const* data, std::size_t size);
  static int verify(gnutls_session_t session);

  /// As far as its first byte says.
  [[nodiscard]] bool speaks_tls() const noexcept;
  [[nodiscard]] Error failure(int code) const;

  std::unique_ptr<world::Stream> inner_;
  gnutls_session_t session_;
  TlsCredentials credentials_;  // the session uses them to its end
  std::atomic<bool> closed_{false};

  threads::mutex mutex_;    // of session_
  bool receiving_ = false;  // under mutex_: what the library is at

  // Of the handshake, and not changed after it.
  std::function<Result<void>(gnutls_session_t)> verify_;
  std::optional<Error> refusal_;  // by verify_
  std::optional<Error> refused_by_peer_;
  std::string_view mend_;
  PublicKey peer_key_;
  std::size_t record_bytes_max_ = 0;
  bool shaken_ = false;

  // Of the reading thread; the library pulls only when it receives.
  std::unique_ptr<std::uint8_t[]> incoming_;  // encrypted, what the library has not taken yet
  std::size_t incoming_size_;
  std::size_t incoming_begin_ = 0;
  std::size_t incoming_end_ = 0;
  std::optional<std::uint8_t> first_byte_;  // of all that came
  bool ended_ = false;                      // the inner stream has
  bool missed_ = false;                     // the library asked for more than there is
  bool cut_ = false;                        // the library asked for more than will ever be
  std::optional<Error> read_failure_;

  // Of the writing thread; the library pushes only when it sends.
  Bytes outgoing_;  // encrypted, what the inner stream has not taken yet
  Bytes gathered_;  // plain: small buffers that become one record
  bool finished_ = false;
  std::optional<Error> write_failure_;
};

/// The key that the other side has shown; empty when it is none of Ed25519.
[[nodiscard]] std::optional<PublicKey> shown_key(gnutls_session_t session);

}  // namespace mutirao::net
