// Random reads of 4 KiB, 64 at a time, from a file that is not in the page cache: ours with 64
// threads, fio with io_uring. Both read buffered, every block once in a random order, after the
// file was dropped from the cache, and with read-ahead off: with O_DIRECT our reads would wait in
// the calling LWP, for they try the cache first.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "mutirao/threads/io.h"
#include "mutirao/threads/runtime.h"
#include "mutirao/threads/scope.h"

#include "measure.h"

namespace bench {

namespace {
namespace threads = mutirao::threads;
constexpr std::size_t kBlock = 4096;
constexpr std::size_t kBlocks = 32'768;  // 128 MiB
constexpr int kDepth = 64;

/// A file of random content that goes with the program.
class Content {
 public:
  Content() {
    int const file = ::mkstemp(name_.data());
    std::mt19937_64 random{1};
    std::vector<std::uint64_t> part(1 << 17);
    for (std::size_t written = 0; written < kBlocks * kBlock; written += part.size() * 8) {
      std::ranges::generate(part, random);
      if (::write(file, part.data(), part.size() * 8) < 0) std::abort();
    }
    ::fsync(file);
    ::close(file);
  }
  ~Content() { ::unlink(name_.c_str()); }
  [[nodiscard]] std::string const& name() const { return name_; }

 private:
  std::string name_ = "/var/tmp/mutirao-bench-XXXXXX";
};
Content const& content() {
  static Content const one;
  return one;
}

double ours_per_s() {
  int const file = ::open(content().name().c_str(), O_RDONLY | O_CLOEXEC);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  ::posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM);
  std::vector<std::uint64_t> order(kBlocks);
  std::ranges::generate(order, [next = std::uint64_t{0}]() mutable { return next++; });
  std::ranges::shuffle(order, std::mt19937_64{2});
  std::atomic<std::size_t> next{0};
  double const ns = wall_ns_each(kBlocks, [&] {
    threads::runtime one{};
    one.run([&] {
      threads::scope readers;
      for (int i = 0; i < kDepth; ++i) {
        readers.spawn("reader", [&] {
          mutirao::Bytes block(kBlock);
          for (;;) {
            auto const at = next.fetch_add(1, std::memory_order_relaxed);
            if (at >= kBlocks) return;
            if (threads::read_file(file, block, order[at] * kBlock) != kBlock) std::abort();
          }
        });
      }
      static_cast<void>(readers.join());
    });
  });
  ::close(file);
  return 1e9 / ns;
}

double fio_per_s() {
  auto const command = fmt::format(
      "fio --name=reads --filename={} --rw=randread --bs=4k --size={} --iodepth={} "
      "--ioengine=io_uring --direct=0 --invalidate=1 --output-format=terse --terse-version=3 "
      "2>/dev/null | cut -d';' -f8",
      content().name(), kBlocks * kBlock, kDepth);
  FILE* const answer = ::popen(command.c_str(), "r");
  double rate = 0;
  int const read = answer != nullptr ? std::fscanf(answer, "%lf", &rate) : 0;
  if (answer != nullptr) ::pclose(answer);
  if (read != 1 || rate == 0) throw Missing{"fio", "run: packaging/debian/install bench"};
  return rate;
}

Contribution const contributed{[] {
  return std::vector<Row>{{.name = "random 4 KiB reads, 64 at a time, cold cache",
                           .peer = "fio, io_uring",
                           .unit = "reads/s, elapsed",
                           .ours =
                               [] {
                                 content();  // for all children
                                 return in_child(ours_per_s);
                               },
                           .theirs = fio_per_s,
                           .judge = Judge::ratio_at_least,
                           .gate = 0.6,
                           .aim = 0.8,
                           .rounds_max = 5}};
}};
}  // namespace

}  // namespace bench
