#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mutirao::middleware {

/// What kind of value a parameter or result is.
enum class ShapeKind : std::uint8_t {
  nothing,
  boolean,
  integer,
  number,
  string,
  bytes,
  list,
  optional,
  map,  ///< keys are strings
  tuple,
  record,
  attachment,  ///< bytes that come beside the message; in it there is nil
};

struct Shape;

/// One field of a record. The number is what travels; it is never used again for another field.
struct FieldShape {
  std::uint32_t number = 0;
  std::string_view name;
  Shape const* type = nullptr;
};

/// A type as data: what lets a gateway name fields, a schema be written, and a person see what a
/// method takes, with no knowledge of the C++ type. Static, one for each type.
struct Shape {
  ShapeKind kind = ShapeKind::nothing;
  std::string_view name{};  ///< of records
  bool is_signed = false;   ///< of integers
  std::uint8_t bits = 0;    ///< of integers
  std::span<FieldShape const> fields{};
  std::span<Shape const* const> elements{};  ///< one for lists, optionals, maps; each of a tuple
};

/// As people read it: "int64", "[string]", "Transfer?", "{string: bytes}".
[[nodiscard]] std::string to_string(Shape const& shape);

}  // namespace mutirao::middleware
