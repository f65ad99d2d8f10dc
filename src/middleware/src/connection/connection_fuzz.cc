// A peer that says anything, in pieces of any size, to a connection with an object behind it: it is
// answered or told why not, and nothing of ours breaks.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/threads/runtime.h"

#include "connection/connection.h"
#include "connection/dispatcher.h"

using namespace mutirao;
using namespace mutirao::middleware;

namespace {
struct Echo {
  static constexpr std::string_view kType = "Echo";
  Method<"echo", Bytes(ByteView), Idempotent> echo;
  Method<"count", Yields<std::uint32_t>(std::uint32_t)> count;
};

/// Gives the input piece by piece, each as long as its first byte says, and takes all that is said.
class Said final : public world::Stream {
 public:
  explicit Said(ByteView input) noexcept : left_{input} {}
  Result<std::size_t> read_some(std::span<MutableBytes const> into, Deadline /*never*/) override {
    if (left_.empty() || closed_) return 0;
    auto const wanted = std::size_t{left_[0]} * 64 + 1;
    left_ = left_.subspan(1);
    auto const size = std::min({wanted, left_.size(), into[0].size()});
    std::ranges::copy(left_.first(size), into[0].begin());
    left_ = left_.subspan(size);
    return size;
  }
  Result<void> write_all(std::span<ByteView const> from, Deadline /*soon*/) override {
    for (auto const each : from) said_ += each.size();
    MUT_ASSERT(said_ < (64u << 20));
    return {};
  }
  void finish_writing() noexcept override {}
  void close() noexcept override { closed_ = true; }
  [[nodiscard]] world::Endpoint local() const override { return {}; }
  [[nodiscard]] world::Endpoint remote() const override { return {}; }

 private:
  ByteView left_;
  std::size_t said_ = 0;
  bool closed_ = false;
};

void hear(ByteView input) {
  ObjectAdapter objects;
  MUT_ASSERT(
      objects
          .add("e", servant<Echo>(on<&Echo::echo>([](ByteView bytes) { return bytes; }),
                                  on<&Echo::count>([](std::uint32_t n,
                                                      Yield<std::uint32_t>& yield) -> Result<void> {
                                    for (std::uint32_t i = 0; i < n; ++i) MUT_TRY(yield(i));
                                    return {};
                                  })))
          .has_value());
  Dispatcher dispatcher{objects, {.threads_max = 4}};
  auto const connection = std::make_shared<Connection>(
      std::make_unique<Said>(input), &dispatcher,
      Connection::Options{.node = "n", .caller = "fuzzer", .write_timeout = 1s});
  static_cast<void>(connection->serve({}));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  threads::runtime runtime{
      {.processors = 1, .simulated = threads::simulated_schedule{.seed = size}}};
  runtime.run([&] { hear({data, size}); });
  return 0;
}
