// What two nodes say to each other, from a peer that says anything.
#include <cstddef>
#include <cstdint>

#include "mutirao/base/check.h"

#include "connection/protocol.h"

using namespace mutirao;
using namespace mutirao::middleware;

namespace {
/// What was understood is said again, and understood as the same.
void say_again(CallMessage const& call) {
  Target target;
  target.object = call.object;
  target.capability = call.capability;
  target.epoch = call.epoch;
  Call again{target, call.method, nullptr, Arguments{call.arguments}};
  again.trace = call.trace;
  again.key = call.key;
  again.fields = call.fields;
  wire::MsgpackWriter out;
  write_call(out, again, {});
  auto const heard = read_call(out.written());
  MUT_ASSERT(heard.has_value());
  MUT_ASSERT(heard->object == call.object && heard->method == call.method);
  MUT_ASSERT(std::ranges::equal(heard->arguments, call.arguments));
  MUT_ASSERT(heard->key == call.key && heard->epoch == call.epoch);
  MUT_ASSERT(heard->fields == call.fields);
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView const bytes{data + 1, size - 1};
  switch (data[0] % 4) {
    case 0:
      if (bytes.size() >= kFrameHeadBytes) static_cast<void>(load_head(bytes));
      break;
    case 1:
      static_cast<void>(read_hello(bytes));
      break;
    case 2:
      if (auto const call = read_call(bytes)) say_again(*call);
      break;
    default:
      static_cast<void>(read_failure(bytes));
  }
  return 0;
}
