// The first byte chooses a shape. Any bytes as a value give JSON or fail; any JSON gives a value or
// fails, and a value that JSON gave is told as the same JSON again and again.
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/base/utf8.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/json_values.h"

namespace json_values_fuzz {
struct Node {
  std::int16_t small = 0;
  std::uint64_t large = 0;
  std::optional<double> number;
  std::string text;
  std::vector<std::map<std::string, mutirao::Bytes>> blobs;
  std::tuple<bool, std::optional<std::vector<std::int64_t>>> pair;
};
}  // namespace json_values_fuzz

template <>
inline constexpr auto mutirao::middleware::record_of<json_values_fuzz::Node> =
    mutirao::middleware::record(
        "Node", mutirao::middleware::field(1, "small", &json_values_fuzz::Node::small),
        mutirao::middleware::field(2, "large", &json_values_fuzz::Node::large),
        mutirao::middleware::field(3, "number", &json_values_fuzz::Node::number),
        mutirao::middleware::field(4, "text", &json_values_fuzz::Node::text),
        mutirao::middleware::field(5, "blobs", &json_values_fuzz::Node::blobs),
        mutirao::middleware::field(6, "pair", &json_values_fuzz::Node::pair));

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace mutirao;
  using namespace mutirao::middleware;
  if (size == 0) return 0;
  Shape const* const shapes[] = {nullptr, &shape_of<json_values_fuzz::Node>,
                                 &shape_of<std::vector<json_values_fuzz::Node>>,
                                 &shape_of<std::map<std::string, std::optional<double>>>};
  auto const* const shape = shapes[data[0] % 4];
  ByteView const input{data + 1, size - 1};

  if (auto const json = json_from(input, shape)) MUT_ASSERT(base::is_utf8(*json));

  wire::MsgpackWriter value;
  auto const read = msgpack_from_json(value, base::text_of(input), shape, "value");
  if (!read) {
    MUT_ASSERT(read.error().what.starts_with("value"));
    return 0;
  }
  auto const once = json_from(value.written(), shape);
  MUT_ASSERT(once);
  wire::MsgpackWriter again;
  MUT_ASSERT(msgpack_from_json(again, *once, shape, "value"));
  MUT_ASSERT(json_from(again.written(), shape) == *once);
  return 0;
}
