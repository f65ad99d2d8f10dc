#include "hash_jobs.h"

#include <array>

namespace mutirao::swarm {
namespace {

constexpr std::array kEngines = {HashEngine::plain, HashEngine::sha_extensions, HashEngine::avx2, HashEngine::avx512};

constexpr std::array<HashFunctions, kEngines.size()> kSha1 = {{
    {.single = kernels::sha1_plain, .words = 5},
    {.single = kernels::sha1_plain, .words = 5},
    {.single = kernels::sha1_plain, .words = 5},
    {.single = kernels::sha1_plain, .words = 5},
}};
constexpr std::array<HashFunctions, kEngines.size()> kSha256 = {{
    {.single = kernels::sha256_plain, .words = 8},
    {.single = kernels::sha256_plain, .words = 8},
    {.single = kernels::sha256_plain, .words = 8},
    {.single = kernels::sha256_plain, .words = 8},
}};

}  // namespace

bool is_supported(HashEngine engine) noexcept { return engine == HashEngine::plain; }
HashEngine best_hash_engine() noexcept { return HashEngine::plain; }

std::string_view to_string(HashEngine engine) noexcept {
  switch (engine) {
    case HashEngine::plain: return "plain";
    case HashEngine::sha_extensions: return "SHA extensions";
    case HashEngine::avx2: return "AVX2, 8 lanes";
    case HashEngine::avx512: return "AVX-512, 16 lanes";
  }
  return "";
}

HashFunctions const& sha1_functions(HashEngine engine) noexcept { return kSha1[static_cast<std::size_t>(engine)]; }
HashFunctions const& sha256_functions(HashEngine engine) noexcept { return kSha256[static_cast<std::size_t>(engine)]; }

void run_jobs(std::span<HashJob> jobs, HashFunctions const& functions) noexcept {
  for (HashJob const& job : jobs) functions.single(job.state, job.data, job.blocks);
}

}  // namespace mutirao::swarm
