// SHA-1 and SHA-256 for any processor (FIPS 180-4 §6.1.2, §6.2.2).
#include "hash_kernels.h"

namespace mutirao::swarm::kernels {
namespace {

constexpr std::uint32_t rotate_left(std::uint32_t x, int n) { return x << n | x >> (32 - n); }
constexpr std::uint32_t rotate_right(std::uint32_t x, int n) { return x >> n | x << (32 - n); }

std::uint32_t load(std::uint8_t const* p) {
  return std::uint32_t{p[0]} << 24 | std::uint32_t{p[1]} << 16 | std::uint32_t{p[2]} << 8 | p[3];
}

void sha1_block(std::uint32_t* state, std::uint8_t const* data) {
  std::uint32_t w[80];
  for (int t = 0; t < 16; ++t) w[t] = load(data + 4 * t);
  for (int t = 16; t < 80; ++t) w[t] = rotate_left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

  std::uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  auto const round = [&](std::uint32_t f, std::uint32_t k, std::uint32_t word) {
    std::uint32_t const next = rotate_left(a, 5) + f + e + k + word;
    e = d;
    d = c;
    c = rotate_left(b, 30);
    b = a;
    a = next;
  };
  for (int t = 0; t < 20; ++t) round((b & c) | (~b & d), 0x5a827999, w[t]);
  for (int t = 20; t < 40; ++t) round(b ^ c ^ d, 0x6ed9eba1, w[t]);
  for (int t = 40; t < 60; ++t) round((b & c) | (b & d) | (c & d), 0x8f1bbcdc, w[t]);
  for (int t = 60; t < 80; ++t) round(b ^ c ^ d, 0xca62c1d6, w[t]);

  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
}

void sha256_block(std::uint32_t* state, std::uint8_t const* data) {
  std::uint32_t w[64];
  for (int t = 0; t < 16; ++t) w[t] = load(data + 4 * t);
  for (int t = 16; t < 64; ++t) {
    std::uint32_t const s0 =
        rotate_right(w[t - 15], 7) ^ rotate_right(w[t - 15], 18) ^ w[t - 15] >> 3;
    std::uint32_t const s1 =
        rotate_right(w[t - 2], 17) ^ rotate_right(w[t - 2], 19) ^ w[t - 2] >> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  std::uint32_t v[8];
  for (int i = 0; i < 8; ++i) v[i] = state[i];
  for (int t = 0; t < 64; ++t) {
    std::uint32_t const s1 =
        rotate_right(v[4], 6) ^ rotate_right(v[4], 11) ^ rotate_right(v[4], 25);
    std::uint32_t const choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    std::uint32_t const t1 = v[7] + s1 + choice + kSha256Constants[t] + w[t];
    std::uint32_t const s0 =
        rotate_right(v[0], 2) ^ rotate_right(v[0], 13) ^ rotate_right(v[0], 22);
    std::uint32_t const majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    for (int i = 7; i > 0; --i) v[i] = v[i - 1];
    v[4] += t1;
    v[0] = t1 + s0 + majority;
  }
  for (int i = 0; i < 8; ++i) state[i] += v[i];
}

}  // namespace

void sha1_plain(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  for (; blocks > 0; --blocks, data += kHashBlockBytes) sha1_block(state, data);
}

void sha256_plain(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  for (; blocks > 0; --blocks, data += kHashBlockBytes) sha256_block(state, data);
}

}  // namespace mutirao::swarm::kernels
