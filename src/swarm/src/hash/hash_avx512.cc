// 16 messages at a time with AVX-512 (F and BW); compiled for such a processor alone.
#if defined(__x86_64__)
#include <immintrin.h>

#include "hash/hash_lanes.h"

namespace mutirao::swarm::kernels {
namespace {

struct Avx512 {
  using V = __m512i;
  static constexpr std::size_t kLanes = 16;

  MUT_INLINE static V load(std::uint32_t const* p) { return _mm512_load_si512(p); }
  MUT_INLINE static void store(std::uint32_t* p, V v) { _mm512_store_si512(p, v); }
  MUT_INLINE static V set1(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  MUT_INLINE static V add(V a, V b) { return _mm512_add_epi32(a, b); }
  MUT_INLINE static V exclusive_or(V a, V b) { return _mm512_xor_si512(a, b); }
  template <int kBits>
  MUT_INLINE static V rotate_left(V v) {
    return _mm512_rol_epi32(v, kBits);
  }
  template <int kBits>
  MUT_INLINE static V rotate_right(V v) {
    return _mm512_ror_epi32(v, kBits);
  }
  template <int kBits>
  MUT_INLINE static V shift_right(V v) {
    return _mm512_srli_epi32(v, kBits);
  }
  // The last argument is the truth table of a function of three bits.
  MUT_INLINE static V xor3(V a, V b, V c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }
  MUT_INLINE static V choice(V x, V y, V z) { return _mm512_ternarylogic_epi32(x, y, z, 0xca); }
  MUT_INLINE static V majority(V a, V b, V c) { return _mm512_ternarylogic_epi32(a, b, c, 0xe8); }

  /// Rows are messages; a transpose of 16 x 16 words makes them lanes: words, pairs and then
  /// quarters of the registers are exchanged.
  MUT_INLINE static void load_words(std::uint8_t const* const* data, std::size_t offset, V* w) {
    V const swap =
        _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
    V pairs[16];
    for (int i = 0; i < 16; i += 2) {
      V const even = _mm512_shuffle_epi8(_mm512_loadu_si512(data[i] + offset), swap);
      V const odd = _mm512_shuffle_epi8(_mm512_loadu_si512(data[i + 1] + offset), swap);
      pairs[i] = _mm512_unpacklo_epi32(even, odd);
      pairs[i + 1] = _mm512_unpackhi_epi32(even, odd);
    }
    // quads[4 * g + k]: word k of each quarter, of messages 4g to 4g+3.
    V quads[16];
    for (int g = 0; g < 4; ++g) {
      quads[4 * g] = _mm512_unpacklo_epi64(pairs[4 * g], pairs[4 * g + 2]);
      quads[4 * g + 1] = _mm512_unpackhi_epi64(pairs[4 * g], pairs[4 * g + 2]);
      quads[4 * g + 2] = _mm512_unpacklo_epi64(pairs[4 * g + 1], pairs[4 * g + 3]);
      quads[4 * g + 3] = _mm512_unpackhi_epi64(pairs[4 * g + 1], pairs[4 * g + 3]);
    }
    for (int k = 0; k < 4; ++k) {
      V const low_first = _mm512_shuffle_i32x4(quads[k], quads[4 + k], 0x44);
      V const high_first = _mm512_shuffle_i32x4(quads[k], quads[4 + k], 0xee);
      V const low_second = _mm512_shuffle_i32x4(quads[8 + k], quads[12 + k], 0x44);
      V const high_second = _mm512_shuffle_i32x4(quads[8 + k], quads[12 + k], 0xee);
      w[k] = _mm512_shuffle_i32x4(low_first, low_second, 0x88);
      w[4 + k] = _mm512_shuffle_i32x4(low_first, low_second, 0xdd);
      w[8 + k] = _mm512_shuffle_i32x4(high_first, high_second, 0x88);
      w[12 + k] = _mm512_shuffle_i32x4(high_first, high_second, 0xdd);
    }
  }
};

}  // namespace

void sha1_avx512(std::uint32_t* state, std::uint8_t const* const* data, std::size_t blocks) {
  Sha1Lanes<Avx512>::run(state, data, blocks);
}

void sha256_avx512(std::uint32_t* state, std::uint8_t const* const* data, std::size_t blocks) {
  Sha256Lanes<Avx512>::run(state, data, blocks);
}

}  // namespace mutirao::swarm::kernels
#endif
