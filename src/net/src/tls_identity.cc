#include "mutirao/net/tls_identity.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "mutirao/base/check.h"

#include "key_info.h"
#include "tls_session.h"

namespace mutirao::net {
namespace {

constexpr std::string_view kFingerprintHead = "ed25519:";

/// SubjectPublicKeyInfo and PrivateKeyInfo of Ed25519 up to their 32 bytes (RFC 8410 sections 4,
/// 7).
constexpr std::array<std::uint8_t, 12> kKeyInfoHead{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                                    0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
constexpr std::array<std::uint8_t, 16> kPrivateKeyHead{
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

/// What an Ed25519 pair is made of. Leaves nothing of it in memory.
struct KeySeed {
  std::array<std::uint8_t, 32> bytes{};
  KeySeed() = default;
  KeySeed(KeySeed const&) = default;
  KeySeed& operator=(KeySeed const&) = delete;
  ~KeySeed() { gnutls_memset(bytes.data(), 0, bytes.size()); }
};

struct PrivateKeyInfo {
  std::array<std::uint8_t, kPrivateKeyHead.size() + 32> bytes;
  explicit PrivateKeyInfo(KeySeed const& seed) {
    std::ranges::copy(seed.bytes, std::ranges::copy(kPrivateKeyHead, bytes.begin()).out);
  }
  PrivateKeyInfo(PrivateKeyInfo const&) = delete;
  PrivateKeyInfo& operator=(PrivateKeyInfo const&) = delete;
  ~PrivateKeyInfo() { gnutls_memset(bytes.data(), 0, bytes.size()); }
};

gnutls_datum_t datum_of(ByteView bytes) {
  return {.data = const_cast<std::uint8_t*>(bytes.data()),
          .size = static_cast<unsigned>(bytes.size())};
}

bool take_32(gnutls_datum_t& from, std::array<std::uint8_t, 32>& into) {
  bool const fits = from.size == into.size();
  if (fits) std::copy_n(from.data, into.size(), into.begin());
  if (from.data != nullptr) gnutls_memset(from.data, 0, from.size);
  gnutls_free(from.data);
  return fits;
}

struct KeyPair {
  KeySeed seed;
  PublicKey key;
};

Result<KeyPair> read_key_pair(ByteView bytes) {
  auto const failed = [](std::string_view why) {
    return fail(Fault::corrupt, fmt::format("no private key of Ed25519 as PEM or DER: {}", why),
                "restore the file from a backup, or remove it to become a new node");
  };
  gnutls_x509_privkey_t read = nullptr;
  MUT_ASSERT(gnutls_x509_privkey_init(&read) == GNUTLS_E_SUCCESS);
  std::unique_ptr<gnutls_x509_privkey_int, void (*)(gnutls_x509_privkey_t)> const pair{
      read, gnutls_x509_privkey_deinit};
  auto const datum = datum_of(bytes);
  bool const pem = base::text_of(bytes).contains("-----BEGIN ");
  int const known = gnutls_x509_privkey_import_pkcs8(
      read, &datum, pem ? GNUTLS_X509_FMT_PEM : GNUTLS_X509_FMT_DER, nullptr, GNUTLS_PKCS_PLAIN);
  if (known != GNUTLS_E_SUCCESS) return failed(gnutls_strerror(known));
  auto const algorithm = gnutls_x509_privkey_get_pk_algorithm(read);
  if (algorithm != GNUTLS_PK_EDDSA_ED25519)
    return failed(fmt::format(
        "it is {}", gnutls_pk_algorithm_get_name(static_cast<gnutls_pk_algorithm_t>(algorithm))));
  gnutls_ecc_curve_t curve{};
  gnutls_datum_t x{}, y{}, k{};
  MUT_ASSERT(gnutls_x509_privkey_export_ecc_raw(read, &curve, &x, &y, &k) == GNUTLS_E_SUCCESS);
  gnutls_free(y.data);
  KeyPair out;
  bool const has_key = take_32(x, out.key.bytes);
  bool const has_seed = take_32(k, out.seed.bytes);
  if (!has_key || !has_seed) return failed("its length is wrong");
  return out;
}

}  // namespace

std::string PublicKey::fingerprint() const {
  return std::string{kFingerprintHead} + base::to_base32(bytes);
}

std::optional<PublicKey> PublicKey::parse(std::string_view text) {
  auto const read = base::from_base32(text.substr(std::min(text.size(), kFingerprintHead.size())));
  PublicKey key;
  if (!read || read->size() != key.bytes.size()) return std::nullopt;
  std::ranges::copy(*read, key.bytes.begin());
  if (key.fingerprint() != text) return std::nullopt;
  return key;
}

Bytes to_key_info(PublicKey const& key) {
  Bytes info{kKeyInfoHead.begin(), kKeyInfoHead.end()};
  info.insert(info.end(), key.bytes.begin(), key.bytes.end());
  return info;
}

std::optional<PublicKey> from_key_info(ByteView info) {
  PublicKey key;
  if (info.size() != kKeyInfoHead.size() + key.bytes.size() ||
      !std::ranges::equal(info.first(kKeyInfoHead.size()), kKeyInfoHead))
    return std::nullopt;
  std::ranges::copy(info.subspan(kKeyInfoHead.size()), key.bytes.begin());
  return key;
}

struct TlsIdentity::State {
  KeyPair pair;
  TlsCredentials credentials = new_tls_credentials();

  explicit State(KeyPair from) : pair{std::move(from)} {
    auto const shown = to_key_info(pair.key);
    PrivateKeyInfo const kept{pair.seed};
    auto const public_part = datum_of(shown);
    auto const private_part = datum_of(kept.bytes);
    MUT_ASSERT(gnutls_certificate_set_rawpk_key_mem(
                   credentials.get(), &public_part, &private_part, GNUTLS_X509_FMT_DER, nullptr,
                   GNUTLS_KEY_DIGITAL_SIGNATURE, nullptr, 0, 0) >= 0);
  }
};

TlsIdentity TlsIdentity::make(world::Entropy& entropy) {
  KeySeed seed;
  entropy.fill(seed.bytes);
  auto made = load(PrivateKeyInfo{seed}.bytes);
  MUT_ASSERT(made);
  return *std::move(made);
}

Result<TlsIdentity> TlsIdentity::load(ByteView bytes) {
  return TlsIdentity{std::make_shared<State const>(MUT_TRY(read_key_pair(bytes)))};
}

std::string TlsIdentity::to_pem() const {
  PrivateKeyInfo const kept{state_->pair.seed};
  auto const private_part = datum_of(kept.bytes);
  gnutls_datum_t text{};
  MUT_ASSERT(gnutls_pem_base64_encode2("PRIVATE KEY", &private_part, &text) == GNUTLS_E_SUCCESS);
  std::string pem{reinterpret_cast<char const*>(text.data), text.size};
  gnutls_memset(text.data, 0, text.size);
  gnutls_free(text.data);
  return pem;
}

PublicKey const& TlsIdentity::public_key() const noexcept { return state_->pair.key; }

TlsCredentials TlsIdentity::credentials() const { return state_->credentials; }

}  // namespace mutirao::net
