// One message with the SHA extensions; compiled for such a processor alone.
#if defined(__x86_64__)
#include <immintrin.h>

#include "hash/hash_kernels.h"

namespace mutirao::swarm::kernels {
namespace {

#define MUT_INLINE [[gnu::always_inline]] inline

MUT_INLINE __m128i load_row(std::uint8_t const* p, __m128i order) {
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)), order);
}

/// Four rounds of SHA-1 on words 4g to 4g+3, and one step of the schedule. `e` comes in as the
/// register that E is derived from, and leaves as that of the next four rounds.
template <int kG>
MUT_INLINE void sha1_four_rounds(__m128i& abcd, __m128i& e, __m128i* w) {
  __m128i const before = abcd;
  __m128i const with_e = kG == 0 ? _mm_add_epi32(e, w[0]) : _mm_sha1nexte_epu32(e, w[kG % 4]);
  abcd = _mm_sha1rnds4_epu32(abcd, with_e, kG / 5);
  e = before;
  if constexpr (kG < 16) {
    // The words 16 further on: they replace these four in the ring.
    __m128i next = _mm_sha1msg1_epu32(w[kG % 4], w[(kG + 1) % 4]);
    next = _mm_xor_si128(next, w[(kG + 2) % 4]);
    w[kG % 4] = _mm_sha1msg2_epu32(next, w[(kG + 3) % 4]);
  }
  if constexpr (kG + 1 < 20) sha1_four_rounds<kG + 1>(abcd, e, w);
}

/// Four rounds of SHA-256 and one step of the schedule.
template <int kG>
MUT_INLINE void sha256_four_rounds(__m128i& abef, __m128i& cdgh, __m128i* w) {
  __m128i const k = _mm_load_si128(reinterpret_cast<__m128i const*>(kSha256Constants + 4 * kG));
  __m128i const in = _mm_add_epi32(w[kG % 4], k);
  cdgh = _mm_sha256rnds2_epu32(cdgh, abef, in);
  abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(in, 0x0e));
  if constexpr (kG < 12) {
    __m128i next = _mm_sha256msg1_epu32(w[kG % 4], w[(kG + 1) % 4]);
    next = _mm_add_epi32(next, _mm_alignr_epi8(w[(kG + 3) % 4], w[(kG + 2) % 4], 4));
    w[kG % 4] = _mm_sha256msg2_epu32(next, w[(kG + 3) % 4]);
  }
  if constexpr (kG + 1 < 16) sha256_four_rounds<kG + 1>(abef, cdgh, w);
}

}  // namespace

void sha1_sha_extensions(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  __m128i const order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(state)), 0x1b);
  __m128i e = _mm_set_epi32(static_cast<int>(state[4]), 0, 0, 0);
  for (; blocks > 0; --blocks, data += kHashBlockBytes) {
    __m128i const abcd_before = abcd;
    __m128i const e_before = e;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) w[i] = load_row(data + 16 * i, order);
    sha1_four_rounds<0>(abcd, e, w);
    e = _mm_sha1nexte_epu32(e, e_before);
    abcd = _mm_add_epi32(abcd, abcd_before);
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_shuffle_epi32(abcd, 0x1b));
  state[4] = static_cast<std::uint32_t>(_mm_extract_epi32(e, 3));
}

void sha256_sha_extensions(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  __m128i const order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  // The instructions want the words in the order A B E F and C D G H, highest first.
  __m128i const badc =
      _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(state)), 0xb1);
  __m128i const hgfe =
      _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(state + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
  __m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
  for (; blocks > 0; --blocks, data += kHashBlockBytes) {
    __m128i const abef_before = abef;
    __m128i const cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) w[i] = load_row(data + 16 * i, order);
    sha256_four_rounds<0>(abef, cdgh, w);
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  __m128i const feba = _mm_shuffle_epi32(abef, 0x1b);
  __m128i const dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace mutirao::swarm::kernels
#endif
