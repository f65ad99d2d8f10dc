// SHA-1 and SHA-256 for any processor: lanes of one.
#include "hash/hash_lanes.h"

namespace mutirao::swarm::kernels {
namespace {

struct Scalar {
  using V = std::uint32_t;
  static constexpr std::size_t kLanes = 1;

  MUT_INLINE static V load(std::uint32_t const* p) { return *p; }
  MUT_INLINE static void store(std::uint32_t* p, V v) { *p = v; }
  MUT_INLINE static V set1(std::uint32_t x) { return x; }
  MUT_INLINE static V add(V a, V b) { return a + b; }
  MUT_INLINE static V exclusive_or(V a, V b) { return a ^ b; }
  template <int kBits>
  MUT_INLINE static V rotate_left(V v) {
    return v << kBits | v >> (32 - kBits);
  }
  template <int kBits>
  MUT_INLINE static V rotate_right(V v) {
    return rotate_left<32 - kBits>(v);
  }
  template <int kBits>
  MUT_INLINE static V shift_right(V v) {
    return v >> kBits;
  }
  MUT_INLINE static V xor3(V a, V b, V c) { return a ^ b ^ c; }
  MUT_INLINE static V choice(V x, V y, V z) { return z ^ (x & (y ^ z)); }
  MUT_INLINE static V majority(V a, V b, V c) { return (a & b) | (c & (a | b)); }

  MUT_INLINE static void load_words(std::uint8_t const* const* data, std::size_t offset, V* w) {
    std::uint8_t const* const p = data[0] + offset;
    for (int i = 0; i < 16; ++i)
      w[i] = V{p[4 * i]} << 24 | V{p[4 * i + 1]} << 16 | V{p[4 * i + 2]} << 8 | p[4 * i + 3];
  }
};

}  // namespace

void sha1_plain(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  Sha1Lanes<Scalar>::run(state, &data, blocks);
}

void sha256_plain(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  Sha256Lanes<Scalar>::run(state, &data, blocks);
}

}  // namespace mutirao::swarm::kernels
