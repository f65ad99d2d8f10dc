#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mutirao/base/result.h"
#include "mutirao/base/time.h"
#include "mutirao/middleware/interceptors.h"
#include "mutirao/middleware/interface.h"
#include "mutirao/middleware/object_adapter.h"
#include "mutirao/middleware/schema.h"

/// Reflection: what a node offers, told and called by programs that know none of its interfaces.
namespace mutirao::middleware {

/// One object of a node.
struct ObjectInfo {
  std::string name;
  std::string type;  ///< of its interface
  std::string about;
  bool guarded = false;  ///< needs a capability
  std::uint64_t epoch = 0;
  std::uint64_t calls = 0;
  std::uint32_t running = 0;
};

/// One object with what it can do.
struct ObjectDetail {
  ObjectInfo object;
  std::vector<SchemaMethod> methods;  ///< as the interface has them
  std::vector<SchemaRecord> records;  ///< all that the methods speak of, by name
};

/// One call that a node has seen.
struct SpanInfo {
  std::string trace;      ///< 32 hexadecimal digits
  std::string span;       ///< 16 of them
  std::string parent;     ///< empty: the first of its trace
  bool incoming = false;  ///< seen by the side of the object
  std::string object;
  std::string method;
  Duration began_ago{};
  Duration took{};
  std::string failure;  ///< empty: it went well
};

/// "meta": the objects of a node as data.
struct Meta {
  static constexpr std::string_view kType = "Meta";
  static constexpr std::string_view kName = "meta";

  Method<"list", std::vector<ObjectInfo>(), Reads> list;
  Method<"show", ObjectDetail(std::string), Reads> show;
  /// Object, method, and the array of the arguments as JSON; gives the value as JSON. A method that
  /// yields gives an array of at most so many values (0: as many as one answer holds), and is ended
  /// then. Last the capability of a guarded object.
  ///
  /// The call passes the chain as any other, for the caller of this one, and within its deadline; a
  /// failure is that of the call, with what it says about being executed.
  Method<"call", std::string(std::string, std::string, std::string, std::uint32_t, std::string)>
      call;
  /// Schema::to_json() of all objects.
  Method<"schema", std::string(), Reads> schema;
  /// The last calls that ended, at most so many (0: all that are kept), the oldest first, without
  /// calls of this method.
  Method<"spans", std::vector<SpanInfo>(std::uint32_t), Reads> spans;
};

struct ReflectionOptions {
  /// Whose spans are told; absent: those of the one in the chain of the objects, if one is there.
  std::shared_ptr<Trace const> trace{};
};

/// Offers "meta" among `objects`, which outlive its calls. Whoever may call it may call all of
/// them, as far as the chain lets them.
Result<void> offer_meta(ObjectAdapter& objects, ReflectionOptions options = {});

/// The same as JSON, an object of one line each: {"objects": [...]}, the detail, {"spans": [...]}.
/// Durations are nanoseconds.
[[nodiscard]] std::string to_json(std::vector<ObjectInfo> const& objects);
[[nodiscard]] std::string to_json(ObjectDetail const& detail);
[[nodiscard]] std::string to_json(std::vector<SpanInfo> const& spans);

template <>
inline constexpr auto record_of<ObjectInfo> =
    record("ObjectInfo", field(1, "name", &ObjectInfo::name), field(2, "type", &ObjectInfo::type),
           field(3, "about", &ObjectInfo::about), field(4, "guarded", &ObjectInfo::guarded),
           field(5, "epoch", &ObjectInfo::epoch), field(6, "calls", &ObjectInfo::calls),
           field(7, "running", &ObjectInfo::running));

template <>
inline constexpr auto record_of<ObjectDetail> = record(
    "ObjectDetail", field(1, "object", &ObjectDetail::object),
    field(2, "methods", &ObjectDetail::methods), field(3, "records", &ObjectDetail::records));

template <>
inline constexpr auto record_of<SpanInfo> =
    record("SpanInfo", field(1, "trace", &SpanInfo::trace), field(2, "span", &SpanInfo::span),
           field(3, "parent", &SpanInfo::parent), field(4, "incoming", &SpanInfo::incoming),
           field(5, "object", &SpanInfo::object), field(6, "method", &SpanInfo::method),
           field(7, "began_ago_ns", &SpanInfo::began_ago), field(8, "took_ns", &SpanInfo::took),
           field(9, "failure", &SpanInfo::failure));

}  // namespace mutirao::middleware
