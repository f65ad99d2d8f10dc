#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/middleware/codec.h"
#include "mutirao/middleware/object_adapter.h"

/// What a program offers, as a file that is kept: so that a change that would break programs of
/// others is seen before they are.
namespace mutirao::middleware {

struct SchemaMethod {
  std::string name;
  std::vector<std::string> parameters;  ///< types as to_string(Shape) tells them
  std::string result;
  bool yields = false;
  bool idempotent = false;
  bool commutative = false;
  std::int64_t cacheable_ms = 0;
  bool reads = false;
};
struct SchemaInterface {
  std::string name;
  std::vector<SchemaMethod> methods;  ///< by name
};
struct SchemaField {
  std::uint32_t number = 0;
  std::string name;
  std::string type;
};
struct SchemaRecord {
  std::string name;
  std::vector<SchemaField> fields;  ///< by number
};
struct SchemaObject {
  std::string name;
  std::string interface;
};

struct Schema {
  std::vector<SchemaObject> objects;  ///< by name, as all
  std::vector<SchemaInterface> interfaces;
  std::vector<SchemaRecord> records;  ///< all that the methods speak of

  /// Fails when two interfaces or two records share a name.
  [[nodiscard]] static Result<Schema> of(std::span<InterfaceInfo const* const> interfaces);
  [[nodiscard]] static Result<Schema> of(std::span<ObjectAdapter::Listed const> objects);
  /// Reads what to_json() wrote.
  [[nodiscard]] static Result<Schema> from_json(std::string_view text);
  /// The same text for the same schema, a line for each method and field: made for diffs.
  [[nodiscard]] std::string to_json() const;
};

/// What callers that were made for `old` would stumble over in `now`, a sentence each; nothing when
/// all is well. Added objects, methods, fields, and parameters at the end break nobody.
[[nodiscard]] std::vector<std::string> breaking_changes(Schema const& old, Schema const& now);

template <>
inline constexpr auto record_of<SchemaMethod> = record(
    "SchemaMethod", field(1, "name", &SchemaMethod::name),
    field(2, "parameters", &SchemaMethod::parameters), field(3, "result", &SchemaMethod::result),
    field(4, "yields", &SchemaMethod::yields), field(5, "idempotent", &SchemaMethod::idempotent),
    field(6, "commutative", &SchemaMethod::commutative),
    field(7, "cacheable_ms", &SchemaMethod::cacheable_ms), field(8, "reads", &SchemaMethod::reads));
template <>
inline constexpr auto record_of<SchemaInterface> =
    record("SchemaInterface", field(1, "name", &SchemaInterface::name),
           field(2, "methods", &SchemaInterface::methods));
template <>
inline constexpr auto record_of<SchemaField> =
    record("SchemaField", field(1, "number", &SchemaField::number),
           field(2, "name", &SchemaField::name), field(3, "type", &SchemaField::type));
template <>
inline constexpr auto record_of<SchemaRecord> =
    record("SchemaRecord", field(1, "name", &SchemaRecord::name),
           field(2, "fields", &SchemaRecord::fields));
template <>
inline constexpr auto record_of<SchemaObject> =
    record("SchemaObject", field(1, "name", &SchemaObject::name),
           field(2, "interface", &SchemaObject::interface));
template <>
inline constexpr auto record_of<Schema> =
    record("Schema", field(1, "objects", &Schema::objects),
           field(2, "interfaces", &Schema::interfaces), field(3, "records", &Schema::records));

}  // namespace mutirao::middleware
