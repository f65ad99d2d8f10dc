#include "protocol/own_network.h"

#include <algorithm>

#include "mutirao/swarm/hash.h"

namespace mutirao::swarm {

namespace {

constexpr std::uint8_t kChallenge = 0;
constexpr std::uint8_t kAnswer = 1;
constexpr std::string_view kPurpose = "mutirao peer of one network";
constexpr std::size_t kHmacBlockBytes = 64;

}  // namespace

/// RFC 2104
Sha256Digest hmac_sha256(ByteView key, ByteView message) {
  std::array<std::uint8_t, kHmacBlockBytes> padded{};
  if (key.size() > padded.size()) {
    std::ranges::copy(sha256(key), padded.begin());
  } else {
    std::ranges::copy(key, padded.begin());
  }
  Bytes inner;
  Bytes outer;
  for (auto const byte : padded) {
    inner.push_back(byte ^ 0x36);
    outer.push_back(byte ^ 0x5c);
  }
  inner.insert(inner.end(), message.begin(), message.end());
  auto const digest = sha256(inner);
  outer.insert(outer.end(), digest.begin(), digest.end());
  return sha256(outer);
}

Bytes network_challenge(NetworkChallenge const& challenge) {
  Bytes payload{kChallenge};
  payload.insert(payload.end(), challenge.begin(), challenge.end());
  return payload;
}

std::optional<NetworkChallenge> parse_network_challenge(ByteView payload) {
  NetworkChallenge challenge;
  if (payload.size() != 1 + challenge.size() || payload[0] != kChallenge) return std::nullopt;
  std::ranges::copy(payload.subspan(1), challenge.begin());
  return challenge;
}

Bytes network_answer(std::string_view key, NetworkChallenge const& challenge, PeerId const& from,
                     PeerId const& to) {
  Bytes message;
  auto const append = [&](ByteView part) {
    message.insert(message.end(), part.begin(), part.end());
  };
  append(base::view_of(kPurpose));
  append(challenge);
  append(from);
  append(to);
  auto const digest = hmac_sha256(base::view_of(key), message);
  Bytes payload{kAnswer};
  payload.insert(payload.end(), digest.begin(), digest.end());
  return payload;
}

bool is_network_answer(ByteView payload, std::string_view key, NetworkChallenge const& challenge,
                       PeerId const& from, PeerId const& to) {
  auto const expected = network_answer(key, challenge, from, to);
  if (payload.size() != expected.size()) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) difference |= payload[i] ^ expected[i];
  return difference == 0;
}

}  // namespace mutirao::swarm
