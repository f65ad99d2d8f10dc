// GB/s a core of the hash engines: 1 to 16 messages of 16 KiB, warm in the cache, CPU time, best of
// seven. It also tells from how many messages on the lanes beat the SHA extensions, which is what
// `lanes_min` in hash_engine.cc is set from. Usage: hash_bench
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "hash/hash_engine.h"

namespace {

using namespace mutirao;
using namespace mutirao::swarm;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Best rate of `hash`, which goes through `bytes` at each call.
template <class Hash>
double gigabytes_per_s(std::size_t bytes, Hash hash) {
  constexpr std::size_t kRunBytes = 16 << 20;
  double best = 0;
  for (int run = 0; run < 7; ++run) {
    std::size_t const calls = kRunBytes / bytes + 1;
    double const begin = cpu_seconds();
    for (std::size_t i = 0; i < calls; ++i) hash();
    best = std::max(best, 1e-9 * static_cast<double>(calls * bytes) / (cpu_seconds() - begin));
  }
  return best;
}

void measure(HashEngine engine, std::size_t count, Bytes const& content) {
  std::vector<ByteView> messages;
  for (std::size_t i = 0; i < count; ++i)
    messages.push_back(ByteView{content}.subspan(i * kBlockBytes, kBlockBytes));
  std::vector<Sha1Digest> sha1_digests(count);
  std::vector<Sha256Digest> sha256_digests(count);
  std::size_t const bytes = count * kBlockBytes;
  double const sha1_rate =
      gigabytes_per_s(bytes, [&] { sha1_many_with(engine, messages, sha1_digests); });
  double const sha256_rate =
      gigabytes_per_s(bytes, [&] { sha256_many_with(engine, messages, sha256_digests); });
  std::printf("%-20s %2zu messages   SHA-1 %5.2f GB/s   SHA-256 %5.2f GB/s\n",
              std::string{to_string(engine)}.c_str(), count, sha1_rate, sha256_rate);
}

}  // namespace

int main() {
  Bytes content(16 * kBlockBytes);
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<std::uint8_t>(i * 7);
  for (HashEngine const engine :
       {HashEngine::plain, HashEngine::sha_extensions, HashEngine::avx2, HashEngine::avx512}) {
    if (!is_supported(engine)) continue;
    for (std::size_t const count : {1, 2, 4, 6, 8, 12, 16}) measure(engine, count, content);
  }
}
