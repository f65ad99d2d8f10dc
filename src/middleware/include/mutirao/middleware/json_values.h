#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/shape.h"
#include "mutirao/wire/msgpack.h"

/// Encoded values as JSON (RFC 8259), and back, with a Shape to say what they are.
///
/// Fields of records have their names, bytes are base64, integers are exact, numbers that JSON does
/// not have are "NaN", "Infinity" and "-Infinity" (as in the JSON of protocol buffers), text that
/// is not UTF-8 is mended with U+FFFD. Neither way builds a tree, and neither recurses deeper than
/// `depth_max`: what a stranger sends costs what it is long.
namespace mutirao::middleware {

struct JsonLimits {
  std::size_t bytes_max = 16 << 20;    ///< of the JSON that is read; four times that is written
  std::size_t depth_max = 48;          ///< containers inside each other
  std::size_t values_max = 1'000'000;  ///< of the JSON that is read
};

/// Appends the value that `in` stands before. Fields that the shape does not know are skipped;
/// without a shape, what the encoding itself tells has to do.
[[nodiscard]] Result<void> append_json(std::string& out, wire::MsgpackReader& in,
                                       Shape const* shape, JsonLimits const& limits = {});
/// Exactly one value.
[[nodiscard]] Result<std::string> json_from(ByteView encoded, Shape const* shape,
                                            JsonLimits const& limits = {});

/// Of a value whose type has a codec, which therefore has a shape.
template <class T>
[[nodiscard]] std::string json_of(T const& value) {
  wire::MsgpackWriter encoded;
  write(encoded, value);
  return json_from(encoded.written(), &shape_of<T>).value_or("null");
}

/// Appends the value to `out`; after a failure, what is there of it means nothing. Errors begin
/// with where the trouble is, seen from `root`: "arguments[0].x: a string where an integer is
/// wanted". Fields that a record does not have are refused, so that a slip of the pen is no default
/// value.
[[nodiscard]] Result<void> msgpack_from_json(wire::MsgpackWriter& out, std::string_view json,
                                             Shape const* shape, std::string_view root,
                                             JsonLimits const& limits = {});

/// A string in quotes, escaped and mended.
void append_json_string(std::string& out, std::string_view text);

/// What JSON calls a value of that shape, for messages: "an integer", "an object of Point".
[[nodiscard]] std::string wanted_name(Shape const& shape);
/// A record has no field of that name.
[[nodiscard]] Error unknown_field(std::string_view where, std::string_view name,
                                  Shape const& record);
/// Whether an integer of that shape can hold it.
[[nodiscard]] bool fits(Shape const& shape, bool negative, std::uint64_t bits) noexcept;

}  // namespace mutirao::middleware
