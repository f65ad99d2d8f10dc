// One message with the SHA extensions, or two: each round waits for the one before, and the other
// message fills the wait. Compiled for such a processor alone.
#if defined(__x86_64__)
#include <immintrin.h>

#include "hash/hash_kernels.h"

namespace mutirao::swarm::kernels {
namespace {

#define MUT_INLINE [[gnu::always_inline]] inline

MUT_INLINE __m128i load_row(std::uint8_t const* p, __m128i order) {
  return _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<__m128i const*>(p)), order);
}

/// The state of one message and the words of its block, in a ring.
struct Sha1Message {
  __m128i abcd;
  __m128i e;
  __m128i w[4];
};
struct Sha256Message {
  __m128i abef;
  __m128i cdgh;
  __m128i w[4];
};

/// Four rounds of SHA-1 on words 4g to 4g+3, and one step of the schedule. `e` comes in as the
/// register that E is derived from, and leaves as that of the next four rounds.
template <int kG, int kMessages>
MUT_INLINE void sha1_four_rounds(Sha1Message (&messages)[kMessages]) {
  for (Sha1Message& m : messages) {
    __m128i const before = m.abcd;
    __m128i const with_e =
        kG == 0 ? _mm_add_epi32(m.e, m.w[0]) : _mm_sha1nexte_epu32(m.e, m.w[kG % 4]);
    m.abcd = _mm_sha1rnds4_epu32(m.abcd, with_e, kG / 5);
    m.e = before;
    if constexpr (kG < 16) {
      // The words 16 further on: they replace these four in the ring.
      __m128i next = _mm_sha1msg1_epu32(m.w[kG % 4], m.w[(kG + 1) % 4]);
      next = _mm_xor_si128(next, m.w[(kG + 2) % 4]);
      m.w[kG % 4] = _mm_sha1msg2_epu32(next, m.w[(kG + 3) % 4]);
    }
  }
  if constexpr (kG + 1 < 20) sha1_four_rounds<kG + 1>(messages);
}

/// Four rounds of SHA-256 and one step of the schedule.
template <int kG, int kMessages>
MUT_INLINE void sha256_four_rounds(Sha256Message (&messages)[kMessages]) {
  __m128i const k = _mm_load_si128(reinterpret_cast<__m128i const*>(kSha256Constants + 4 * kG));
  for (Sha256Message& m : messages) {
    __m128i const in = _mm_add_epi32(m.w[kG % 4], k);
    m.cdgh = _mm_sha256rnds2_epu32(m.cdgh, m.abef, in);
    m.abef = _mm_sha256rnds2_epu32(m.abef, m.cdgh, _mm_shuffle_epi32(in, 0x0e));
    if constexpr (kG < 12) {
      __m128i next = _mm_sha256msg1_epu32(m.w[kG % 4], m.w[(kG + 1) % 4]);
      next = _mm_add_epi32(next, _mm_alignr_epi8(m.w[(kG + 3) % 4], m.w[(kG + 2) % 4], 4));
      m.w[kG % 4] = _mm_sha256msg2_epu32(next, m.w[(kG + 3) % 4]);
    }
  }
  if constexpr (kG + 1 < 16) sha256_four_rounds<kG + 1>(messages);
}

template <int kMessages>
MUT_INLINE void sha1(std::uint32_t* const (&states)[kMessages],
                     std::uint8_t const* const (&data)[kMessages], std::size_t blocks) {
  __m128i const order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  Sha1Message messages[kMessages];
  for (int i = 0; i < kMessages; ++i) {
    messages[i].abcd =
        _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(states[i])), 0x1b);
    messages[i].e = _mm_set_epi32(static_cast<int>(states[i][4]), 0, 0, 0);
  }
  for (std::size_t at = 0; at < blocks * kHashBlockBytes; at += kHashBlockBytes) {
    __m128i abcd_before[kMessages];
    __m128i e_before[kMessages];
    for (int i = 0; i < kMessages; ++i) {
      abcd_before[i] = messages[i].abcd;
      e_before[i] = messages[i].e;
      for (int row = 0; row < 4; ++row)
        messages[i].w[row] = load_row(data[i] + at + 16 * row, order);
    }
    sha1_four_rounds<0>(messages);
    for (int i = 0; i < kMessages; ++i) {
      messages[i].e = _mm_sha1nexte_epu32(messages[i].e, e_before[i]);
      messages[i].abcd = _mm_add_epi32(messages[i].abcd, abcd_before[i]);
    }
  }
  for (int i = 0; i < kMessages; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[i]),
                     _mm_shuffle_epi32(messages[i].abcd, 0x1b));
    states[i][4] = static_cast<std::uint32_t>(_mm_extract_epi32(messages[i].e, 3));
  }
}

template <int kMessages>
MUT_INLINE void sha256(std::uint32_t* const (&states)[kMessages],
                       std::uint8_t const* const (&data)[kMessages], std::size_t blocks) {
  __m128i const order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  Sha256Message messages[kMessages];
  for (int i = 0; i < kMessages; ++i) {
    // The instructions want the words in the order A B E F and C D G H, highest first.
    __m128i const badc =
        _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(states[i])), 0xb1);
    __m128i const hgfe =
        _mm_shuffle_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(states[i] + 4)), 0x1b);
    messages[i].abef = _mm_alignr_epi8(badc, hgfe, 8);
    messages[i].cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
  }
  for (std::size_t at = 0; at < blocks * kHashBlockBytes; at += kHashBlockBytes) {
    __m128i abef_before[kMessages];
    __m128i cdgh_before[kMessages];
    for (int i = 0; i < kMessages; ++i) {
      abef_before[i] = messages[i].abef;
      cdgh_before[i] = messages[i].cdgh;
      for (int row = 0; row < 4; ++row)
        messages[i].w[row] = load_row(data[i] + at + 16 * row, order);
    }
    sha256_four_rounds<0>(messages);
    for (int i = 0; i < kMessages; ++i) {
      messages[i].abef = _mm_add_epi32(messages[i].abef, abef_before[i]);
      messages[i].cdgh = _mm_add_epi32(messages[i].cdgh, cdgh_before[i]);
    }
  }
  for (int i = 0; i < kMessages; ++i) {
    __m128i const feba = _mm_shuffle_epi32(messages[i].abef, 0x1b);
    __m128i const dchg = _mm_shuffle_epi32(messages[i].cdgh, 0xb1);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[i]), _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(states[i] + 4), _mm_alignr_epi8(dchg, feba, 8));
  }
}

}  // namespace

void sha1_sha_extensions(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  sha1<1>({state}, {data}, blocks);
}
void sha256_sha_extensions(std::uint32_t* state, std::uint8_t const* data, std::size_t blocks) {
  sha256<1>({state}, {data}, blocks);
}
void sha1_pair_sha_extensions(PairOfStates const& states, PairOfData const& data,
                              std::size_t blocks) {
  sha1<2>(states, data, blocks);
}
void sha256_pair_sha_extensions(PairOfStates const& states, PairOfData const& data,
                                std::size_t blocks) {
  sha256<2>(states, data, blocks);
}

}  // namespace mutirao::swarm::kernels
#endif
