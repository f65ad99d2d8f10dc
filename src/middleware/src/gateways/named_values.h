#pragma once

#include <string_view>

#include "mutirao/base/result.h"
#include "mutirao/middleware/shape.h"
#include "mutirao/wire/msgpack.h"

/// Records as programs in other languages know them: maps by the names of the fields, where our own
/// protocol has their numbers. Everything else is the same in both.
namespace mutirao::middleware {

/// Appends the value that `in` stands before, with names. Fields that the shape does not know are
/// skipped; without a shape it is copied.
[[nodiscard]] Result<void> append_named(wire::MsgpackWriter& out, wire::MsgpackReader& in,
                                        Shape const* shape);

/// The other way; a field may also be named by its number. Checks that the value is of that shape,
/// and says where it is not: "arguments[0].x: a string where an integer is wanted".
[[nodiscard]] Result<void> append_numbered(wire::MsgpackWriter& out, wire::MsgpackReader& in,
                                           Shape const* shape, std::string_view root);

}  // namespace mutirao::middleware
