#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/world/entropy.h"

struct gnutls_certificate_credentials_st;

namespace mutirao::net {

/// Who a node is: a public key of Ed25519 (RFC 8032). A value.
struct PublicKey {
  std::array<std::uint8_t, 32> bytes{};

  /// "ed25519:" and the key in base32: all of it, in a form that people can copy and compare.
  [[nodiscard]] std::string fingerprint() const;
  /// A fingerprint, letter by letter: each key has one.
  [[nodiscard]] static std::optional<PublicKey> parse(std::string_view text);

  friend auto operator<=>(PublicKey const&, PublicKey const&) = default;
};

/// This node's own key pair, with which it proves to others who it is.
///
/// Copies share one pair, which is never changed; safe from any thread. Whoever has the text of
/// to_pem() is this node: it belongs into a file that others can't read.
class TlsIdentity {
 public:
  /// A new one. In a simulated world it is a function of the seed.
  [[nodiscard]] static TlsIdentity make(world::Entropy& entropy);
  /// What to_pem() or `openssl genpkey -algorithm ed25519` gave: PKCS #8 as PEM or DER (RFC 8410).
  [[nodiscard]] static Result<TlsIdentity> load(ByteView bytes);

  [[nodiscard]] std::string to_pem() const;
  [[nodiscard]] PublicKey const& public_key() const noexcept;

  /// What the TLS library takes.
  [[nodiscard]] std::shared_ptr<gnutls_certificate_credentials_st> credentials() const;

  struct State;

 private:
  explicit TlsIdentity(std::shared_ptr<State const> state) noexcept : state_{std::move(state)} {}
  std::shared_ptr<State const> state_;
};

}  // namespace mutirao::net
