// Arguments and results, decoded into the types of an interface: what a message makes us allocate
// is bounded, and what was read is written and read again as the same.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "mutirao/base/check.h"
#include "mutirao/middleware/codec.h"

using namespace mutirao;
using namespace mutirao::middleware;

namespace {
struct Inner {
  std::int32_t number = 0;
  std::string text{};
  std::optional<Bytes> bytes{};
  friend bool operator==(Inner const&, Inner const&) = default;
};
struct Outer {
  std::vector<Inner> inner{};
  std::map<std::string, std::vector<std::uint64_t>> lists{};
  std::optional<Inner> maybe{};
  bool flag = false;
  friend bool operator==(Outer const&, Outer const&) = default;
};
}  // namespace

template <>
inline constexpr auto mutirao::middleware::record_of<Inner> =
    record("Inner", field(1, "number", &Inner::number), field(2, "text", &Inner::text),
           field(3, "bytes", &Inner::bytes));
template <>
inline constexpr auto mutirao::middleware::record_of<Outer> =
    record("Outer", field(1, "inner", &Outer::inner), field(2, "lists", &Outer::lists),
           field(3, "maybe", &Outer::maybe), field(4, "flag", &Outer::flag));

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using Values = std::tuple<Outer, std::vector<std::string>, std::int8_t>;
  Decoder from{ByteView{data, size}};
  auto const values = read<Values>(from);
  if (!from.finish()) return 0;
  wire::MsgpackWriter out;
  write(out, values);
  Decoder again{out.written()};
  MUT_ASSERT(read<Values>(again) == values);
  MUT_ASSERT(again.finish().has_value());
  return 0;
}
