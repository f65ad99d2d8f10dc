#include "gateways/foreign_call.h"

#include <array>

#include <fmt/format.h>

#include "mutirao/threads/cancel_region.h"
#include "mutirao/threads/this_thread.h"

namespace mutirao::middleware {

Outcome<void> execute(ObjectAdapter& adapter, ForeignCall const& foreign,
                      std::function<Outcome<void>(ByteView value)> const& take) {
  if (!foreign.deadline.is_never() && foreign.deadline.passed(threads::now()))
    return std::unexpected{
        not_executed(Fault::timed_out, "the call's time was over before it began")};
  Target target;
  target.object = foreign.object;
  target.capability = foreign.capability;
  Call call{target, foreign.method, nullptr, Arguments{foreign.arguments}};
  call.deadline = foreign.deadline;
  call.trace = foreign.trace;
  call.key = foreign.key;
  call.incoming = true;
  call.caller = foreign.caller;
  call.items = foreign.items;
  call.attachment = foreign.attachment;
  wire::MsgpackWriter scratch;
  call.scratch = &scratch;
  threads::cancel_region const region{call.deadline};
  auto const reply = adapter.execute(call);
  if (reply.failed()) return std::unexpected{std::move(reply.failure())};
  return take(reply.body());
}

MethodInfo const* method_of(ObjectAdapter const& adapter, std::string_view object,
                            std::string_view method) {
  auto const found = adapter.find(object);
  return found ? found->interface->find(method) : nullptr;
}

CollectedItems::CollectedItems() {
  std::array<std::uint8_t, 5> const with_no_count{0xdd, 0, 0, 0, 0};
  items_.raw(with_no_count);
}

Outcome<void> CollectedItems::put(ByteView item) {
  if (count_ == kItemsMax || items_.written().size() + item.size() > kBytesMax)
    return std::unexpected{
        Failure{Error{Fault::exhausted,
                      fmt::format("it yields more than one answer may hold: {} values", count_),
                      "ask for a stream, or for less"},
                Executed::yes,
                Retry::never,
                {},
                {}}};
  items_.raw(item);
  ++count_;
  return {};
}

ByteView CollectedItems::all() {
  base::store_be(items_.written_at(1, 4), count_);
  return items_.written();
}

}  // namespace mutirao::middleware
