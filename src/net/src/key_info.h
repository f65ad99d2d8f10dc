#pragma once

#include <optional>

#include "mutirao/base/bytes.h"
#include "mutirao/net/tls_identity.h"

namespace mutirao::net {

/// A key as TLS shows it: SubjectPublicKeyInfo in DER (RFC 8410 section 4), which has one form
/// only.
[[nodiscard]] Bytes to_key_info(PublicKey const& key);
/// Empty for any other kind of key.
[[nodiscard]] std::optional<PublicKey> from_key_info(ByteView info);

}  // namespace mutirao::net
