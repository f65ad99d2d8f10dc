#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/middleware/call.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/wire/msgpack.h"

/// What the gateways to other protocols have in common: a call that came in by one of them.
namespace mutirao::middleware {

struct ForeignCall {
  std::string object;
  std::string method;
  ByteView arguments;  ///< an array, with the fields of records by number
  std::string caller;
  std::string capability{};
  Deadline deadline = Deadline::never();
  TraceContext trace{};
  IdempotencyKey key{};
  ItemSink* items = nullptr;
  ByteSource* attachment = nullptr;
};

/// Runs it within its deadline, and hands the encoded value to `take` while that is there.
[[nodiscard]] Outcome<void> execute(ObjectAdapter& adapter, ForeignCall const& foreign,
                                    std::function<Outcome<void>(ByteView value)> const& take);

/// The method, when this node has the object; a chain may know what to do with others.
[[nodiscard]] MethodInfo const* method_of(ObjectAdapter const& adapter, std::string_view object,
                                          std::string_view method);

/// All that a method yields as one array, for protocols that have no streams.
class CollectedItems final : public ItemSink {
 public:
  static constexpr std::size_t kItemsMax = 100'000;
  static constexpr std::size_t kBytesMax = 16 << 20;

  CollectedItems();
  Outcome<void> put(ByteView item) override;
  /// The array of them.
  [[nodiscard]] ByteView all();

 private:
  wire::MsgpackWriter items_;
  std::uint32_t count_ = 0;
};

}  // namespace mutirao::middleware
