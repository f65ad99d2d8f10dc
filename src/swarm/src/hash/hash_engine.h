#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "mutirao/swarm/hash.h"

/// What computes the hashes. The processor decides at start-up; tests and benchmarks name an
/// engine.
namespace mutirao::swarm {

enum class HashEngine : std::uint8_t { plain, sha_extensions, avx2, avx512 };

[[nodiscard]] bool is_supported(HashEngine engine) noexcept;
/// The best one that this processor has.
[[nodiscard]] HashEngine best_hash_engine() noexcept;
[[nodiscard]] std::string_view to_string(HashEngine engine) noexcept;

void sha1_many_with(HashEngine engine, std::span<ByteView const> messages,
                    std::span<Sha1Digest> digests);
void sha256_many_with(HashEngine engine, std::span<ByteView const> messages,
                      std::span<Sha256Digest> digests);

}  // namespace mutirao::swarm
