#include "mutirao/swarm/hash.h"

#include <algorithm>
#include <cstring>

#include "mutirao/base/check.h"

#include "hash/hash_jobs.h"

namespace mutirao::swarm {
namespace {

using kernels::kHashBlockBytes;

// FIPS 180-4 §5.3.1 and §5.3.3.
constexpr std::array<std::uint32_t, 5> kSha1Start = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                                     0xc3d2e1f0};
constexpr std::array<std::uint32_t, 8> kSha256Start = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/// The end of a message as FIPS 180-4 §5.1.1 pads it: what does not fill a block, one bit, zeros
/// and the length.
struct Tail {
  std::uint8_t bytes[2 * kHashBlockBytes];
  std::size_t blocks;

  Tail(ByteView rest, std::uint64_t message_length) noexcept {
    MUT_ASSERT(rest.size() < kHashBlockBytes);
    blocks = rest.size() + 9 <= kHashBlockBytes ? 1 : 2;
    std::memset(bytes, 0, sizeof bytes);
    if (!rest.empty()) std::memcpy(bytes, rest.data(), rest.size());
    bytes[rest.size()] = 0x80;
    base::store_be<std::uint64_t>(MutableBytes{bytes + blocks * kHashBlockBytes - 8, 8},
                                  message_length * 8);
  }
  Tail() noexcept = default;
};

template <std::size_t kWords>
std::array<std::uint8_t, 4 * kWords> to_digest(std::uint32_t const* words) noexcept {
  std::array<std::uint8_t, 4 * kWords> digest;
  for (std::size_t i = 0; i < kWords; ++i)
    base::store_be<std::uint32_t>(MutableBytes{digest.data() + 4 * i, 4}, words[i]);
  return digest;
}

template <std::size_t kWords>
std::array<std::uint8_t, 4 * kWords> hash_one(std::array<std::uint32_t, kWords> state,
                                              ByteView message,
                                              kernels::SingleKernel kernel) noexcept {
  std::size_t const whole = message.size() / kHashBlockBytes;
  kernel(state.data(), message.data(), whole);
  Tail const tail{message.subspan(whole * kHashBlockBytes), message.size()};
  kernel(state.data(), tail.bytes, tail.blocks);
  return to_digest<kWords>(state.data());
}

/// First the whole blocks of all messages, then their tails: both fill the lanes.
template <std::size_t kWords>
void hash_many(std::array<std::uint32_t, kWords> const& start, std::span<ByteView const> messages,
               std::span<std::array<std::uint8_t, 4 * kWords>> digests,
               HashFunctions const& functions) {
  MUT_ASSERT(messages.size() == digests.size());
  constexpr std::size_t kGroup = 32;  // bounds the stack: tails and states of a group live on it
  while (!messages.empty()) {
    std::size_t const count = std::min(kGroup, messages.size());
    std::array<std::array<std::uint32_t, kWords>, kGroup> states;
    std::array<Tail, kGroup> tails;
    std::array<HashJob, kGroup> jobs;
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t const whole = messages[i].size() / kHashBlockBytes;
      states[i] = start;
      jobs[i] = {states[i].data(), messages[i].data(), whole};
      tails[i] = Tail{messages[i].subspan(whole * kHashBlockBytes), messages[i].size()};
    }
    run_jobs(std::span<HashJob const>{jobs}.first(count), functions);
    for (std::size_t i = 0; i < count; ++i)
      jobs[i] = {states[i].data(), tails[i].bytes, tails[i].blocks};
    run_jobs(std::span<HashJob const>{jobs}.first(count), functions);
    for (std::size_t i = 0; i < count; ++i) digests[i] = to_digest<kWords>(states[i].data());
    messages = messages.subspan(count);
    digests = digests.subspan(count);
  }
}

}  // namespace

Sha1Digest sha1(ByteView message) {
  return hash_one<5>(kSha1Start, message, sha1_functions().single);
}

Sha256Digest sha256(ByteView message) {
  return hash_one<8>(kSha256Start, message, sha256_functions().single);
}

void sha1_many(std::span<ByteView const> messages, std::span<Sha1Digest> digests) {
  hash_many<5>(kSha1Start, messages, digests, sha1_functions());
}

void sha256_many(std::span<ByteView const> messages, std::span<Sha256Digest> digests) {
  hash_many<8>(kSha256Start, messages, digests, sha256_functions());
}

void sha1_many_with(HashEngine engine, std::span<ByteView const> messages,
                    std::span<Sha1Digest> digests) {
  hash_many<5>(kSha1Start, messages, digests, sha1_functions(engine));
}

void sha256_many_with(HashEngine engine, std::span<ByteView const> messages,
                      std::span<Sha256Digest> digests) {
  hash_many<8>(kSha256Start, messages, digests, sha256_functions(engine));
}

Sha1State::Sha1State() noexcept { std::ranges::copy(kSha1Start, h_); }

ByteView Sha1State::fill_pending(ByteView run) noexcept {
  std::size_t const held = length_ % kHashBlockBytes;
  length_ += run.size();
  if (held == 0) return run;
  std::size_t const taken = std::min(run.size(), kHashBlockBytes - held);
  if (taken > 0) std::memcpy(pending_ + held, run.data(), taken);
  if (held + taken == kHashBlockBytes) sha1_functions().single(h_, pending_, 1);
  return run.subspan(taken);
}

void Sha1State::keep_pending(ByteView rest) noexcept {
  if (!rest.empty()) std::memcpy(pending_, rest.data(), rest.size());
}

void Sha1State::update(ByteView run) noexcept {
  ByteView const rest = fill_pending(run);
  if (rest.empty()) return;
  std::size_t const whole = rest.size() / kHashBlockBytes;
  sha1_functions().single(h_, rest.data(), whole);
  keep_pending(rest.subspan(whole * kHashBlockBytes));
}

Sha1Digest Sha1State::finish() noexcept {
  Tail const tail{{pending_, length_ % kHashBlockBytes}, length_};
  sha1_functions().single(h_, tail.bytes, tail.blocks);
  return to_digest<5>(h_);
}

void Sha1State::update_many(std::span<Sha1State* const> states,
                            std::span<ByteView const> runs) noexcept {
  MUT_ASSERT(states.size() == runs.size());
  constexpr std::size_t kGroup = 64;
  while (!states.empty()) {
    std::size_t const count = std::min(kGroup, states.size());
    std::array<HashJob, kGroup> jobs;
    for (std::size_t i = 0; i < count; ++i) {
      ByteView const rest = states[i]->fill_pending(runs[i]);
      std::size_t const whole = rest.size() / kHashBlockBytes;
      jobs[i] = {states[i]->h_, rest.data(), whole};
      if (!rest.empty()) states[i]->keep_pending(rest.subspan(whole * kHashBlockBytes));
    }
    run_jobs(std::span<HashJob const>{jobs}.first(count), sha1_functions());
    states = states.subspan(count);
    runs = runs.subspan(count);
  }
}

std::string_view hash_engine() noexcept { return to_string(best_hash_engine()); }

}  // namespace mutirao::swarm
