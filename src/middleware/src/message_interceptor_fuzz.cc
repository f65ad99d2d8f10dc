// What was done to a message, undone: by a peer that sends anything.
#include <cstddef>
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/middleware/message_interceptor.h"

#include "connection/protocol.h"

using namespace mutirao;
using namespace mutirao::middleware;

namespace {
/// As good as random, and the same each time.
class Zero final : public world::Entropy {
 public:
  void fill(MutableBytes bytes) override { std::ranges::fill(bytes, std::uint8_t{0}); }
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static Zero entropy;
  ByteView const bytes{data, size};
  MessageChain chain;
  if (auto const plain = chain.incoming(bytes)) MUT_ASSERT(plain->size() <= kMessageBytesMax);
  MUT_ASSERT(
      chain.set({std::make_shared<Compress>(1, 1), std::make_shared<Seal>(Seal::Key{}, entropy)})
          .has_value());
  static_cast<void>(chain.incoming(bytes));
  if (size == 0) return 0;
  auto const sent = chain.outgoing(bytes, chain.readable());
  MUT_ASSERT(sent.has_value());
  auto const back = chain.incoming(*sent);
  MUT_ASSERT(back.has_value());
  MUT_ASSERT(std::ranges::equal(*back, bytes));
  return 0;
}
