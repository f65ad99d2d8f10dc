#pragma once

#include "hash/hash_kernels.h"

/// SHA-1 and SHA-256 on the lanes of a vector: word `i` of every message sits in one register, and
/// each instruction advances all messages. A plain integer is a vector of one lane. `Vector` gives
/// the operations of one instruction set:
///
///   type V, kLanes, load, store, set1, add, rotate_left<N>, rotate_right<N>, shift_right<N>,
///   xor3, choice (x ? y : z by bit), majority, load_words(data, offset, w): the next 64 bytes of
///   every message as 16 big-endian words, transposed.
///
/// All is in an unnamed namespace: each file that includes this is compiled for its own processor.
namespace mutirao::swarm::kernels {
namespace {

#define MUT_INLINE [[gnu::always_inline]] inline

template <class Vector>
struct Sha1Lanes {
  using V = typename Vector::V;

  /// Rounds t and on of one of the four kinds. The schedule is a ring of 16 words, made as it is
  /// used.
  template <int kKind>
  MUT_INLINE static V mix(V b, V c, V d) {
    if constexpr (kKind == 0) return Vector::choice(b, c, d);
    if constexpr (kKind == 2) return Vector::majority(b, c, d);
    return Vector::xor3(b, c, d);
  }

  template <int kKind>
  MUT_INLINE static void round(V a, V& b, V c, V d, V& e, V word_and_constant) {
    V const sum = Vector::add(Vector::add(e, word_and_constant), mix<kKind>(b, c, d));
    e = Vector::add(sum, Vector::template rotate_left<5>(a));
    b = Vector::template rotate_left<30>(b);
  }

  template <int kT>
  MUT_INLINE static V word(V* w) {
    if constexpr (kT >= 16) {
      V const mixed = Vector::xor3(w[(kT - 3) % 16], w[(kT - 8) % 16], w[(kT - 14) % 16]);
      w[kT % 16] = Vector::template rotate_left<1>(Vector::exclusive_or(mixed, w[kT % 16]));
    }
    return w[kT % 16];
  }

  template <int kT>
  MUT_INLINE static void five_rounds(V& a, V& b, V& c, V& d, V& e, V* w) {
    constexpr int kKind = kT / 20;
    constexpr std::uint32_t kConstants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    V const k = Vector::set1(kConstants[kKind]);
    round<kKind>(a, b, c, d, e, Vector::add(word<kT>(w), k));
    round<kKind>(e, a, b, c, d, Vector::add(word<kT + 1>(w), k));
    round<kKind>(d, e, a, b, c, Vector::add(word<kT + 2>(w), k));
    round<kKind>(c, d, e, a, b, Vector::add(word<kT + 3>(w), k));
    round<kKind>(b, c, d, e, a, Vector::add(word<kT + 4>(w), k));
    if constexpr (kT + 5 < 80) five_rounds<kT + 5>(a, b, c, d, e, w);
  }

  MUT_INLINE static void run(std::uint32_t* state, std::uint8_t const* const* data,
                             std::size_t blocks) {
    V h[5];
    for (int i = 0; i < 5; ++i) h[i] = Vector::load(state + i * Vector::kLanes);
    for (std::size_t block = 0; block < blocks; ++block) {
      V w[16];
      Vector::load_words(data, block * kHashBlockBytes, w);
      V a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
      five_rounds<0>(a, b, c, d, e, w);
      h[0] = Vector::add(h[0], a);
      h[1] = Vector::add(h[1], b);
      h[2] = Vector::add(h[2], c);
      h[3] = Vector::add(h[3], d);
      h[4] = Vector::add(h[4], e);
    }
    for (int i = 0; i < 5; ++i) Vector::store(state + i * Vector::kLanes, h[i]);
  }
};

template <class Vector>
struct Sha256Lanes {
  using V = typename Vector::V;

  template <int kFirst, int kSecond, int kThird>
  MUT_INLINE static V rotations(V x) {
    return Vector::xor3(Vector::template rotate_right<kFirst>(x),
                        Vector::template rotate_right<kSecond>(x),
                        Vector::template rotate_right<kThird>(x));
  }

  template <int kT>
  MUT_INLINE static V word(V* w) {
    if constexpr (kT >= 16) {
      V const early = w[(kT - 15) % 16];
      V const late = w[(kT - 2) % 16];
      V const s0 = Vector::xor3(Vector::template rotate_right<7>(early),
                                Vector::template rotate_right<18>(early),
                                Vector::template shift_right<3>(early));
      V const s1 = Vector::xor3(Vector::template rotate_right<17>(late),
                                Vector::template rotate_right<19>(late),
                                Vector::template shift_right<10>(late));
      w[kT % 16] = Vector::add(Vector::add(w[kT % 16], w[(kT - 7) % 16]), Vector::add(s0, s1));
    }
    return w[kT % 16];
  }

  template <int kT>
  MUT_INLINE static void round(V a, V b, V c, V& d, V e, V f, V g, V& h, V* w) {
    V const k = Vector::set1(kSha256Constants[kT]);
    V const in = Vector::add(Vector::add(h, Vector::add(word<kT>(w), k)), Vector::choice(e, f, g));
    V const t1 = Vector::add(in, rotations<6, 11, 25>(e));
    d = Vector::add(d, t1);
    h = Vector::add(Vector::add(t1, Vector::majority(a, b, c)), rotations<2, 13, 22>(a));
  }

  template <int kT>
  MUT_INLINE static void eight_rounds(V& a, V& b, V& c, V& d, V& e, V& f, V& g, V& h, V* w) {
    round<kT>(a, b, c, d, e, f, g, h, w);
    round<kT + 1>(h, a, b, c, d, e, f, g, w);
    round<kT + 2>(g, h, a, b, c, d, e, f, w);
    round<kT + 3>(f, g, h, a, b, c, d, e, w);
    round<kT + 4>(e, f, g, h, a, b, c, d, w);
    round<kT + 5>(d, e, f, g, h, a, b, c, w);
    round<kT + 6>(c, d, e, f, g, h, a, b, w);
    round<kT + 7>(b, c, d, e, f, g, h, a, w);
    if constexpr (kT + 8 < 64) eight_rounds<kT + 8>(a, b, c, d, e, f, g, h, w);
  }

  MUT_INLINE static void run(std::uint32_t* state, std::uint8_t const* const* data,
                             std::size_t blocks) {
    V s[8];
    for (int i = 0; i < 8; ++i) s[i] = Vector::load(state + i * Vector::kLanes);
    for (std::size_t block = 0; block < blocks; ++block) {
      V w[16];
      Vector::load_words(data, block * kHashBlockBytes, w);
      V a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
      eight_rounds<0>(a, b, c, d, e, f, g, h, w);
      s[0] = Vector::add(s[0], a);
      s[1] = Vector::add(s[1], b);
      s[2] = Vector::add(s[2], c);
      s[3] = Vector::add(s[3], d);
      s[4] = Vector::add(s[4], e);
      s[5] = Vector::add(s[5], f);
      s[6] = Vector::add(s[6], g);
      s[7] = Vector::add(s[7], h);
    }
    for (int i = 0; i < 8; ++i) Vector::store(state + i * Vector::kLanes, s[i]);
  }
};

}  // namespace
}  // namespace mutirao::swarm::kernels
