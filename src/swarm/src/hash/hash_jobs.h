#pragma once

#include <span>

#include "hash/hash_engine.h"
#include "hash/hash_kernels.h"

namespace mutirao::swarm {

/// A state that has `blocks` more blocks to go through.
struct HashJob {
  std::uint32_t* state;
  std::uint8_t const* data;
  std::size_t blocks;
};

/// How one of the two hashes is computed by one engine.
struct HashFunctions {
  kernels::SingleKernel single;
  kernels::PairKernel pair = nullptr;   ///< nullptr: two messages take twice as long as one
  kernels::LaneKernel lanes = nullptr;  ///< nullptr: only `single`
  std::size_t words;                    ///< of a state
  std::size_t lane_count = 1;
  /// Fewer messages than these go through the others faster than through the lanes: a lane kernel
  /// takes as long for one message as for all.
  std::size_t lanes_min = 1;
};

/// Of the engine that is fastest here for that hash.
[[nodiscard]] HashFunctions const& sha1_functions() noexcept;
[[nodiscard]] HashFunctions const& sha256_functions() noexcept;
/// Of a named one.
[[nodiscard]] HashFunctions const& sha1_functions(HashEngine engine) noexcept;
[[nodiscard]] HashFunctions const& sha256_functions(HashEngine engine) noexcept;

/// Runs all jobs to their end; a lane that becomes free takes the next job.
void run_jobs(std::span<HashJob const> jobs, HashFunctions const& functions) noexcept;

}  // namespace mutirao::swarm
