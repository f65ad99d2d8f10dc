// 8 messages at a time with AVX2; compiled for such a processor alone.
#if defined(__x86_64__)
#include <immintrin.h>

#include "hash/hash_lanes.h"

namespace mutirao::swarm::kernels {
namespace {

struct Avx2 {
  using V = __m256i;
  static constexpr std::size_t kLanes = 8;

  MUT_INLINE static V load(std::uint32_t const* p) {
    return _mm256_load_si256(reinterpret_cast<V const*>(p));
  }
  MUT_INLINE static void store(std::uint32_t* p, V v) {
    _mm256_store_si256(reinterpret_cast<V*>(p), v);
  }
  MUT_INLINE static V set1(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  MUT_INLINE static V add(V a, V b) { return _mm256_add_epi32(a, b); }
  MUT_INLINE static V exclusive_or(V a, V b) { return _mm256_xor_si256(a, b); }
  template <int kBits>
  MUT_INLINE static V rotate_left(V v) {
    return _mm256_or_si256(_mm256_slli_epi32(v, kBits), _mm256_srli_epi32(v, 32 - kBits));
  }
  template <int kBits>
  MUT_INLINE static V rotate_right(V v) {
    return rotate_left<32 - kBits>(v);
  }
  template <int kBits>
  MUT_INLINE static V shift_right(V v) {
    return _mm256_srli_epi32(v, kBits);
  }
  MUT_INLINE static V xor3(V a, V b, V c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
  MUT_INLINE static V choice(V x, V y, V z) {
    return _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)));
  }
  MUT_INLINE static V majority(V a, V b, V c) {
    return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
  }

  /// Rows are messages; a transpose of 8 x 8 words makes them lanes, once for each half of the
  /// block.
  MUT_INLINE static void load_words(std::uint8_t const* const* data, std::size_t offset, V* w) {
    transpose_half(data, offset, w);
    transpose_half(data, offset + 32, w + 8);
  }

  MUT_INLINE static void transpose_half(std::uint8_t const* const* data, std::size_t offset, V* w) {
    V const swap = _mm256_broadcastsi128_si256(
        _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    V pairs[8];
    for (int i = 0; i < 8; i += 2) {
      V const even = _mm256_shuffle_epi8(load_row(data[i] + offset), swap);
      V const odd = _mm256_shuffle_epi8(load_row(data[i + 1] + offset), swap);
      pairs[i] = _mm256_unpacklo_epi32(even, odd);
      pairs[i + 1] = _mm256_unpackhi_epi32(even, odd);
    }
    V quads[8];
    for (int g = 0; g < 2; ++g) {
      quads[4 * g] = _mm256_unpacklo_epi64(pairs[4 * g], pairs[4 * g + 2]);
      quads[4 * g + 1] = _mm256_unpackhi_epi64(pairs[4 * g], pairs[4 * g + 2]);
      quads[4 * g + 2] = _mm256_unpacklo_epi64(pairs[4 * g + 1], pairs[4 * g + 3]);
      quads[4 * g + 3] = _mm256_unpackhi_epi64(pairs[4 * g + 1], pairs[4 * g + 3]);
    }
    for (int k = 0; k < 4; ++k) {
      w[k] = _mm256_permute2x128_si256(quads[k], quads[4 + k], 0x20);
      w[4 + k] = _mm256_permute2x128_si256(quads[k], quads[4 + k], 0x31);
    }
  }

  MUT_INLINE static V load_row(std::uint8_t const* p) {
    return _mm256_loadu_si256(reinterpret_cast<V const*>(p));
  }
};

}  // namespace

void sha1_avx2(std::uint32_t* state, std::uint8_t const* const* data, std::size_t blocks) {
  Sha1Lanes<Avx2>::run(state, data, blocks);
}

void sha256_avx2(std::uint32_t* state, std::uint8_t const* const* data, std::size_t blocks) {
  Sha256Lanes<Avx2>::run(state, data, blocks);
}

}  // namespace mutirao::swarm::kernels
#endif
