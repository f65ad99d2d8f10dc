// The first byte chooses a shape. Any bytes as a value get names or fail; what gets numbers fits
// its shape, has a decoder that agrees, and comes back by its names.
#include <cstdint>

#include "mutirao/base/check.h"
#include "mutirao/middleware/codec.h"

#include "gateways/named_values.h"

namespace named_values_fuzz {
struct Node {
  std::int16_t small = 0;
  std::optional<double> number;
  std::string text;
  std::vector<std::map<std::string, mutirao::Bytes>> blobs;
  std::tuple<bool, std::optional<std::vector<std::uint64_t>>> pair;
};
}  // namespace named_values_fuzz

template <>
inline constexpr auto mutirao::middleware::record_of<named_values_fuzz::Node> =
    mutirao::middleware::record(
        "Node", mutirao::middleware::field(1, "small", &named_values_fuzz::Node::small),
        mutirao::middleware::field(2, "number", &named_values_fuzz::Node::number),
        mutirao::middleware::field(3, "text", &named_values_fuzz::Node::text),
        mutirao::middleware::field(4, "blobs", &named_values_fuzz::Node::blobs),
        mutirao::middleware::field(300, "pair", &named_values_fuzz::Node::pair));

namespace {
using namespace mutirao;
using namespace mutirao::middleware;

template <class T>
void try_as(ByteView input) {
  wire::MsgpackWriter names;
  wire::MsgpackReader untrusted{input};
  static_cast<void>(append_named(names, untrusted, &shape_of<T>));

  wire::MsgpackWriter numbers;
  wire::MsgpackReader in{input};
  if (!append_numbered(numbers, in, &shape_of<T>, "value")) return;
  Decoder from{numbers.written()};
  static_cast<void>(read<T>(from));
  MUT_ASSERT(from.finish());

  wire::MsgpackWriter named;
  wire::MsgpackReader numbered{numbers.written()};
  MUT_ASSERT(append_named(named, numbered, &shape_of<T>));
  wire::MsgpackWriter again;
  wire::MsgpackReader back{named.written()};
  MUT_ASSERT(append_numbered(again, back, &shape_of<T>, "value"));
  MUT_ASSERT(base::text_of(again.written()) == base::text_of(numbers.written()));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView const input{data + 1, size - 1};
  if (data[0] % 2 == 0)
    try_as<named_values_fuzz::Node>(input);
  else
    try_as<std::vector<named_values_fuzz::Node>>(input);
  return 0;
}
