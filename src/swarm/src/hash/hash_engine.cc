#include "hash/hash_engine.h"

#include <array>

#include "hash/hash_jobs.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace mutirao::swarm {
namespace {

constexpr std::size_t kEngines = 4;  // the values of HashEngine

struct Processor {
  bool sha = false;
  bool avx2 = false;
  bool avx512 = false;
  bool amd = false;
};

#if defined(__x86_64__)
Processor probe() noexcept {
  __builtin_cpu_init();
  unsigned a = 0, b = 0, c = 0, d = 0;
  // Leaf 7, EBX bit 29; __builtin_cpu_supports of GCC 12 does not know the name.
  bool const sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0;
  return {
      .sha = sha && __builtin_cpu_supports("sse4.1"),
      .avx2 = __builtin_cpu_supports("avx2") != 0,
      .avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0,
      .amd = __builtin_cpu_is("amd") != 0,
  };
}
#else
Processor probe() noexcept { return {}; }
#endif

Processor const& processor() noexcept {
  static Processor const found = probe();
  return found;
}

struct Table {
  std::array<HashFunctions, kEngines> sha1;
  std::array<HashFunctions, kEngines> sha256;
};

Table make_hash_table() noexcept {
  HashFunctions sha1{.single = kernels::sha1_plain, .words = 5};
  HashFunctions sha256{.single = kernels::sha256_plain, .words = 8};
  Table table;
  table.sha1.fill(sha1);
  table.sha256.fill(sha256);
#if defined(__x86_64__)
  if (processor().sha) {
    sha1.single = kernels::sha1_sha_extensions;
    sha1.pair = kernels::sha1_pair_sha_extensions;
    sha256.single = kernels::sha256_sha_extensions;
    sha256.pair = kernels::sha256_pair_sha_extensions;
  }
  auto const set = [&](HashEngine engine, HashFunctions one, HashFunctions two) {
    table.sha1[static_cast<std::size_t>(engine)] = one;
    table.sha256[static_cast<std::size_t>(engine)] = two;
  };
  bool const sha = processor().sha;
  set(HashEngine::sha_extensions, sha1, sha256);
  // Measured with bench/hash_bench. Without the SHA extensions two messages already gain.
  sha1.lane_count = sha256.lane_count = 8;
  sha1.lanes = kernels::sha1_avx2;
  sha256.lanes = kernels::sha256_avx2;
  sha1.lanes_min = sha ? 8 : 2;
  sha256.lanes_min = sha ? 8 : 2;
  set(HashEngine::avx2, sha1, sha256);
  sha1.lane_count = sha256.lane_count = 16;
  sha1.lanes = kernels::sha1_avx512;
  sha256.lanes = kernels::sha256_avx512;
  sha1.lanes_min = sha ? 10 : 2;
  sha256.lanes_min = sha ? 12 : 2;
  set(HashEngine::avx512, sha1, sha256);
#endif
  return table;
}

Table const& table() noexcept {
  static Table const made = make_hash_table();
  return made;
}

}  // namespace

bool is_supported(HashEngine engine) noexcept {
  switch (engine) {
    case HashEngine::plain:
      return true;
    case HashEngine::sha_extensions:
      return processor().sha;
    case HashEngine::avx2:
      return processor().avx2;
    case HashEngine::avx512:
      return processor().avx512;
  }
  return false;
}

HashEngine best_hash_engine() noexcept {
  if (processor().avx512) return HashEngine::avx512;
  if (processor().avx2) return HashEngine::avx2;
  if (processor().sha) return HashEngine::sha_extensions;
  return HashEngine::plain;
}

std::string_view to_string(HashEngine engine) noexcept {
  switch (engine) {
    case HashEngine::plain:
      return "plain";
    case HashEngine::sha_extensions:
      return "SHA extensions";
    case HashEngine::avx2:
      return "AVX2, 8 lanes";
    case HashEngine::avx512:
      return "AVX-512, 16 lanes";
  }
  return "";
}

HashFunctions const& sha1_functions() noexcept { return sha1_functions(best_hash_engine()); }

HashFunctions const& sha256_functions() noexcept {
  // Eight lanes of SHA-256 are slower than the SHA extensions; sixteen too where those are as quick
  // as AMD's.
  bool const extensions = processor().sha && (!processor().avx512 || processor().amd);
  return sha256_functions(extensions ? HashEngine::sha_extensions : best_hash_engine());
}

HashFunctions const& sha1_functions(HashEngine engine) noexcept {
  return table().sha1[static_cast<std::size_t>(engine)];
}

HashFunctions const& sha256_functions(HashEngine engine) noexcept {
  return table().sha256[static_cast<std::size_t>(engine)];
}

}  // namespace mutirao::swarm
