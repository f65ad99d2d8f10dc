#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/swarm/ids.h"

/// SHA-1 and SHA-256, many messages at a time.
///
/// Hashing is the largest cost of moving a verified byte, and one hash is a chain that leaves most
/// of a processor idle. Independent messages fill the lanes of its vector unit: 16 with AVX-512, 8
/// with AVX2; else, and for a single message, the SHA extensions, or plain code where the processor
/// has none of them. The choice is made at start-up by what the processor can do.
namespace mutirao::swarm {

[[nodiscard]] Sha1Digest sha1(ByteView message);
[[nodiscard]] Sha256Digest sha256(ByteView message);

/// digests[i] = hash of messages[i]; the lengths may differ, equal ones are fastest.
void sha1_many(std::span<ByteView const> messages, std::span<Sha1Digest> digests);
void sha256_many(std::span<ByteView const> messages, std::span<Sha256Digest> digests);

/// A SHA-1 that is fed run by run: a v1 piece while its blocks arrive. A value.
class Sha1State {
 public:
  Sha1State() noexcept;
  void update(ByteView run) noexcept;
  [[nodiscard]] Sha1Digest finish() noexcept;
  [[nodiscard]] std::uint64_t length() const noexcept { return length_; }

  /// states[i].update(runs[i]) for all i, in lanes.
  static void update_many(std::span<Sha1State* const> states,
                          std::span<ByteView const> runs) noexcept;

 private:
  /// Completes the block that is pending and gives back what is left of the run; with nothing
  /// pending, all of it.
  ByteView fill_pending(ByteView run) noexcept;
  void keep_pending(ByteView rest) noexcept;

  std::uint32_t h_[5];
  std::uint64_t length_ = 0;
  std::uint8_t pending_[64];
};

/// The engine in force for `doctor`: "AVX-512, 16 lanes", "AVX2, 8 lanes", "SHA extensions",
/// "plain".
[[nodiscard]] std::string_view hash_engine() noexcept;

}  // namespace mutirao::swarm
