// A compressor and its opposite: LZ77 over a window of 32 KiB by chains of hashes, then Huffman
// codes, in a format of its own. What comes out must be what went in.
#include <string.h>

#include "programs.h"

enum {
  kBytes = 1 << 20,
  kRounds = 16,
  kWindow = 1 << 15,
  kHashes = 1 << 15,
  kChain = 24,
  kMatchLeast = 4,
  kMatchMost = 259,
  // Symbols: 256 literals, then the bit length of a match's length (8 of them), then the end.
  kLengths = 256,
  kEnd = kLengths + 9,
  kSymbols = kEnd + 1,
  kBitsMost = 15,
};

// --- text with words that come back

static void write_text(uint8_t* text) {
  uint64_t random = 99;
  static uint8_t words[2000][12];
  static uint8_t sizes[2000];
  for (int word = 0; word < 2000; ++word) {
    sizes[word] = (uint8_t)(2 + random_next(&random) % 10);
    for (int i = 0; i < sizes[word]; ++i)
      words[word][i] = (uint8_t)"etaoinshrdlucmfwypvbgkjqxz"[(random_next(&random) % 26) *
                                                             (random_next(&random) % 26) / 26];
  }
  for (int at = 0; at < kBytes;) {
    int const word = (int)((random_next(&random) % 2000) * (random_next(&random) % 2000) / 2000);
    for (int i = 0; i < sizes[word] && at < kBytes; ++i) text[at++] = words[word][i];
    if (at < kBytes) text[at++] = random_next(&random) % 12 == 0 ? '\n' : ' ';
  }
}

// --- Huffman codes

struct codes {
  uint8_t bits[kSymbols];
  uint16_t code[kSymbols];
  uint16_t first[kBitsMost + 2], count[kBitsMost + 2], sorted[kSymbols];
};

// Canonical codes from their lengths.
static void number_codes(struct codes* codes) {
  memset(codes->count, 0, sizeof codes->count);
  for (int s = 0; s < kSymbols; ++s) ++codes->count[codes->bits[s]];
  codes->count[0] = 0;
  uint16_t next[kBitsMost + 2], code = 0, place = 0, places[kBitsMost + 2];
  for (int bits = 1; bits <= kBitsMost; ++bits) {
    code = (uint16_t)((code + codes->count[bits - 1]) << 1);
    next[bits] = codes->first[bits] = code;
    places[bits] = place;
    place = (uint16_t)(place + codes->count[bits]);
  }
  for (int s = 0; s < kSymbols; ++s) {
    if (codes->bits[s] == 0) continue;
    codes->code[s] = next[codes->bits[s]]++;
    codes->sorted[places[codes->bits[s]]++] = (uint16_t)s;
  }
}

// The two rarest are joined until one is left. Where a code becomes too long, the rare are counted
// as less rare, and it begins again.
static void make_codes(struct codes* codes, uint32_t const counts[kSymbols]) {
  for (uint32_t least = 1;; least *= 4) {
    uint32_t weight[2 * kSymbols];
    int parent[2 * kSymbols], live[kSymbols], count = 0, nodes = kSymbols, longest = 0;
    for (int s = 0; s < kSymbols; ++s) {
      weight[s] = counts[s] == 0 ? 0 : counts[s] < least ? least : counts[s];
      parent[s] = -1;
      if (counts[s] != 0) live[count++] = s;
    }
    while (count > 1) {
      for (int chosen = 1; chosen <= 2; ++chosen) {
        int rarest = 0;
        for (int i = 1; i <= count - chosen; ++i)
          if (weight[live[i]] < weight[live[rarest]]) rarest = i;
        int const node = live[rarest];
        live[rarest] = live[count - chosen];
        live[count - chosen] = node;
      }
      weight[nodes] = weight[live[count - 1]] + weight[live[count - 2]];
      parent[nodes] = -1;
      parent[live[count - 1]] = parent[live[count - 2]] = nodes;
      live[--count - 1] = nodes++;
    }
    for (int s = 0; s < kSymbols; ++s) {
      int bits = 0;
      if (counts[s] != 0)
        for (int node = s; parent[node] >= 0; node = parent[node]) ++bits;
      codes->bits[s] = (uint8_t)bits;
      if (bits > longest) longest = bits;
    }
    if (longest <= kBitsMost) break;
  }
  number_codes(codes);
}

// --- bits, the highest first

struct bits {
  uint8_t* at;
  uint64_t held;
  int count;
};

static inline void put(struct bits* out, uint32_t value, int count) {
  out->held = out->held << count | value;
  out->count += count;
  while (out->count >= 8) {
    out->count -= 8;
    *out->at++ = (uint8_t)(out->held >> out->count);
  }
}

static inline uint32_t take(struct bits* in, int count) {
  while (in->count < count) {
    in->held = in->held << 8 | *in->at++;
    in->count += 8;
  }
  in->count -= count;
  return (uint32_t)(in->held >> in->count) & ((1u << count) - 1);
}

static inline int take_symbol(struct bits* in, struct codes const* codes) {
  uint32_t code = 0;
  int place = 0;
  for (int bits = 1; bits <= kBitsMost; ++bits) {
    code = code << 1 | take(in, 1);
    if (code - codes->first[bits] < codes->count[bits])
      return codes->sorted[place + (int)(code - codes->first[bits])];
    place += codes->count[bits];
  }
  return kEnd;
}

// --- the two directions

struct token {
  uint16_t length, value;  // length 0: value is a literal, otherwise a distance
};

static int bit_length(unsigned value) { return value == 0 ? 0 : 32 - __builtin_clz(value); }

static uint32_t hash_of(uint8_t const* at) {
  uint32_t word =
      (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
  return word * 2654435761u >> 17;
}

static int find_matches(uint8_t const* text, struct token* tokens) {
  static int heads[kHashes], chains[kWindow];
  for (int i = 0; i < kHashes; ++i) heads[i] = -1;
  int count = 0;
  for (int at = 0; at < kBytes;) {
    int best = 0, distance = 0;
    if (at + kMatchMost < kBytes) {
      int candidate = heads[hash_of(text + at)];
      for (int tries = kChain; tries > 0 && candidate >= 0 && at - candidate < kWindow; --tries) {
        if (text[candidate + best] == text[at + best]) {
          int length = 0;
          while (length < kMatchMost && text[candidate + length] == text[at + length]) ++length;
          if (length > best) {
            best = length;
            distance = at - candidate;
            if (best == kMatchMost) break;
          }
        }
        candidate = chains[candidate & (kWindow - 1)];
      }
    }
    int const matched = best >= kMatchLeast;
    int const step = matched ? best : 1;
    tokens[count++] =
        matched ? (struct token){(uint16_t)best, (uint16_t)distance} : (struct token){0, text[at]};
    for (int i = 0; i < step; ++i, ++at) {
      if (at + kMatchMost >= kBytes) continue;
      uint32_t const hash = hash_of(text + at);
      chains[at & (kWindow - 1)] = heads[hash];
      heads[hash] = at;
    }
  }
  return count;
}

static size_t compress(uint8_t const* text, struct token* tokens, uint8_t* packed) {
  int const count = find_matches(text, tokens);
  uint32_t counts[kSymbols] = {0};
  for (int i = 0; i < count; ++i)
    ++counts[tokens[i].length == 0 ? tokens[i].value
                                   : kLengths + bit_length(tokens[i].length - kMatchLeast)];
  counts[kEnd] = 1;
  struct codes codes;
  make_codes(&codes, counts);
  struct bits out = {packed, 0, 0};
  for (int s = 0; s < kSymbols; ++s) put(&out, codes.bits[s], 4);
  for (int i = 0; i < count; ++i) {
    if (tokens[i].length == 0) {
      put(&out, codes.code[tokens[i].value], codes.bits[tokens[i].value]);
      continue;
    }
    unsigned const length = tokens[i].length - kMatchLeast;
    int const extra = bit_length(length), symbol = kLengths + extra,
              far = bit_length(tokens[i].value);
    put(&out, codes.code[symbol], codes.bits[symbol]);
    put(&out, length, extra);
    put(&out, (uint32_t)far, 4);
    put(&out, tokens[i].value, far);
  }
  put(&out, codes.code[kEnd], codes.bits[kEnd]);
  put(&out, 0, 7);
  return (size_t)(out.at - packed);
}

static size_t expand(uint8_t* packed, uint8_t* text) {
  struct bits in = {packed, 0, 0};
  struct codes codes;
  for (int s = 0; s < kSymbols; ++s) codes.bits[s] = (uint8_t)take(&in, 4);
  number_codes(&codes);
  uint8_t* to = text;
  for (;;) {
    int const symbol = take_symbol(&in, &codes);
    if (symbol == kEnd) return (size_t)(to - text);
    if (symbol < kLengths) {
      *to++ = (uint8_t)symbol;
      continue;
    }
    unsigned length = take(&in, symbol - kLengths) + kMatchLeast;
    unsigned const distance = take(&in, (int)take(&in, 4));
    for (; length > 0; --length, ++to) *to = to[-(ptrdiff_t)distance];
  }
}

struct outcome deflate(void) {
  uint8_t* const text = memory_of(kBytes);
  uint8_t* const packed = memory_of(2 * kBytes);
  uint8_t* const again = memory_of(2 * kBytes);
  struct token* const tokens = memory_of(kBytes * sizeof *tokens);
  write_text(text);
  uint64_t sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    size_t const size = compress(text, tokens, packed);
    if (expand(packed, again) != kBytes || memcmp(text, again, kBytes) != 0) return exactly(0);
    for (size_t i = 0; i < size; i += 64) sum = mixed(sum, packed[i]);
    sum = mixed(sum, size);
    text[round * 1000] ^= 1;
  }
  return exactly(sum);
}
