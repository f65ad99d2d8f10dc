#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"
#include "mutirao/base/utf8.h"
#include "mutirao/middleware/shape.h"
#include "mutirao/wire/msgpack.h"

/// How C++ values travel. Integers, bool, floating point, enums, durations (in nanoseconds), text,
/// bytes, vectors, optionals, maps with text for keys, tuples, and records: structs whose fields
/// were numbered by `record_of`. A view (std::string_view, ByteView) as a parameter points into the
/// message, and is good while the call lasts.
namespace mutirao::middleware {

/// Reads values that a stranger wrote. What a message makes us allocate is bounded by `budget`,
/// since a byte may announce an element of a thousand. After a failure all reads give nothing, so
/// that a whole message is read straight down and checked once.
class Decoder {
 public:
  static constexpr std::size_t kAllocatedMax = 64 << 20;

  explicit Decoder(ByteView input) noexcept : in{input} {}

  /// Whether `count` things of `bytes` each may still be made.
  [[nodiscard]] bool affords(std::size_t count, std::size_t bytes) noexcept {
    if (count > budget_ / bytes) return refuse("more than a message may become in memory");
    budget_ -= count * bytes;
    return true;
  }
  bool refuse(char const* why) noexcept {
    if (why_ == nullptr) why_ = why;
    return false;
  }
  [[nodiscard]] bool failed() const noexcept { return why_ != nullptr || in.failed(); }
  [[nodiscard]] Result<void> finish() const {
    if (why_ != nullptr) return fail(Fault::corrupt, why_);
    return in.finish();
  }

  wire::MsgpackReader in;

 private:
  std::size_t budget_ = kAllocatedMax;
  char const* why_ = nullptr;  // a literal
};

template <class T>
struct Codec;

template <class T>
inline constexpr Shape const& shape_of = Codec<T>::shape;

template <class T>
void write(wire::MsgpackWriter& out, T const& value) {
  Codec<T>::write(out, value);
}
template <class T>
[[nodiscard]] T read(Decoder& from) {
  return Codec<T>::read(from);
}
/// About how long the encoding gets; at least the bytes of its texts.
template <class T>
[[nodiscard]] std::size_t size_hint(T const& value) noexcept {
  if constexpr (requires { Codec<T>::size_hint(value); })
    return Codec<T>::size_hint(value);
  else
    return sizeof(T);
}

template <>
struct Codec<void> {
  static constexpr Shape shape{};
};

template <>
struct Codec<bool> {
  static constexpr Shape shape{.kind = ShapeKind::boolean};
  static void write(wire::MsgpackWriter& out, bool value) { out.boolean(value); }
  static bool read(Decoder& from) { return from.in.boolean(); }
};

template <std::integral T>
struct Codec<T> {
  static constexpr Shape shape{
      .kind = ShapeKind::integer, .is_signed = std::is_signed_v<T>, .bits = sizeof(T) * 8};
  static void write(wire::MsgpackWriter& out, T value) { out.integer(value); }
  static T read(Decoder& from) { return from.in.integer<T>(); }
};

template <class T>
  requires std::is_enum_v<T>
struct Codec<T> {
  using Number = std::underlying_type_t<T>;
  static constexpr Shape shape = Codec<Number>::shape;
  static void write(wire::MsgpackWriter& out, T value) { out.integer(std::to_underlying(value)); }
  static T read(Decoder& from) { return static_cast<T>(from.in.integer<Number>()); }
};

template <std::floating_point T>
struct Codec<T> {
  static constexpr Shape shape{.kind = ShapeKind::number};
  static void write(wire::MsgpackWriter& out, T value) { out.number(static_cast<double>(value)); }
  static T read(Decoder& from) { return static_cast<T>(from.in.number()); }
};

template <class Rep, class Period>
struct Codec<std::chrono::duration<Rep, Period>> {
  static constexpr Shape shape = Codec<std::int64_t>::shape;
  static void write(wire::MsgpackWriter& out, std::chrono::duration<Rep, Period> value) {
    out.integer(std::chrono::duration_cast<std::chrono::nanoseconds>(value).count());
  }
  static std::chrono::duration<Rep, Period> read(Decoder& from) {
    return std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(
        std::chrono::nanoseconds{from.in.integer<std::int64_t>()});
  }
};

/// Text that is not UTF-8, such as an odd file name, travels as bytes and arrives as it was.
template <>
struct Codec<std::string_view> {
  static constexpr Shape shape{.kind = ShapeKind::string};
  static void write(wire::MsgpackWriter& out, std::string_view value) {
    if (base::is_utf8(value))
      out.string(value);
    else
      out.bytes(base::view_of(value));
  }
  static std::string_view read(Decoder& from) {
    if (from.in.peek() == wire::MsgpackKind::bytes) return base::text_of(from.in.bytes());
    return from.in.string();
  }
  static std::size_t size_hint(std::string_view value) noexcept { return value.size() + 5; }
};
template <>
struct Codec<std::string> : Codec<std::string_view> {
  static std::string read(Decoder& from) {
    return std::string{Codec<std::string_view>::read(from)};
  }
};

template <>
struct Codec<ByteView> {
  static constexpr Shape shape{.kind = ShapeKind::bytes};
  static void write(wire::MsgpackWriter& out, ByteView value) { out.bytes(value); }
  static ByteView read(Decoder& from) { return from.in.bytes(); }
  static std::size_t size_hint(ByteView value) noexcept { return value.size() + 5; }
};
template <>
struct Codec<Bytes> : Codec<ByteView> {
  static Bytes read(Decoder& from) {
    auto const view = from.in.bytes();
    return {view.begin(), view.end()};
  }
};

template <class T>
struct Codec<std::vector<T>> {
  static constexpr std::array<Shape const*, 1> of{&shape_of<T>};
  static constexpr Shape shape{.kind = ShapeKind::list, .elements = of};
  static void write(wire::MsgpackWriter& out, std::vector<T> const& values) {
    if constexpr (std::integral<T> && !std::is_same_v<T, bool>) {
      out.integers(std::span<T const>{values});
    } else {
      out.array(values.size());
      for (auto const& each : values) Codec<T>::write(out, each);
    }
  }
  static std::vector<T> read(Decoder& from) {
    std::vector<T> values;
    auto const count = from.in.array();
    if (!from.affords(count, sizeof(T))) return values;
    values.reserve(count);
    for (std::size_t i = 0; i < count && !from.failed(); ++i)
      values.push_back(Codec<T>::read(from));
    return values;
  }
  static std::size_t size_hint(std::vector<T> const& values) noexcept {
    return values.size() * sizeof(T) + 5;
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static constexpr std::array<Shape const*, 1> of{&shape_of<T>};
  static constexpr Shape shape{.kind = ShapeKind::optional, .elements = of};
  static void write(wire::MsgpackWriter& out, std::optional<T> const& value) {
    if (value)
      Codec<T>::write(out, *value);
    else
      out.nil();
  }
  static std::optional<T> read(Decoder& from) {
    if (from.in.peek() != wire::MsgpackKind::nil) return Codec<T>::read(from);
    from.in.nil();
    return std::nullopt;
  }
};

template <class T>
struct Codec<std::map<std::string, T>> {
  static constexpr std::array<Shape const*, 1> of{&shape_of<T>};
  static constexpr Shape shape{.kind = ShapeKind::map, .elements = of};
  static void write(wire::MsgpackWriter& out, std::map<std::string, T> const& values) {
    out.map(values.size());
    for (auto const& [key, value] : values) {
      Codec<std::string>::write(out, key);
      Codec<T>::write(out, value);
    }
  }
  static std::map<std::string, T> read(Decoder& from) {
    std::map<std::string, T> values;
    auto const count = from.in.map();
    if (!from.affords(count, sizeof(std::pair<std::string const, T>) + 4 * sizeof(void*)))
      return values;
    for (std::size_t i = 0; i < count && !from.failed(); ++i) {
      auto key = Codec<std::string>::read(from);
      values.insert_or_assign(std::move(key), Codec<T>::read(from));
    }
    return values;
  }
};

/// Ones at the end may be missing, and keep their defaults; more than there are is skipped: so a
/// method may get another parameter.
template <class... T>
struct Codec<std::tuple<T...>> {
  static constexpr std::array<Shape const*, sizeof...(T)> of{&shape_of<T>...};
  static constexpr Shape shape{.kind = ShapeKind::tuple, .elements = of};
  static void write(wire::MsgpackWriter& out, std::tuple<T...> const& values) {
    out.array(sizeof...(T));
    std::apply([&](auto const&... each) { (Codec<T>::write(out, each), ...); }, values);
  }
  static std::tuple<T...> read(Decoder& from) {
    auto left = from.in.array();
    [[maybe_unused]] auto const next = [&]<class Value>(std::type_identity<Value>) {
      if (left == 0) return Value{};
      --left;
      return Codec<Value>::read(from);
    };
    std::tuple<T...> values{next(std::type_identity<T>{})...};  // braces: in this order
    for (; left > 0 && !from.failed(); --left) from.in.skip();
    return values;
  }
};

/// A field of a record.
template <class Record, class T>
struct Field {
  std::uint32_t number;
  std::string_view name;
  T Record::* member;
};
template <class Record, class T>
[[nodiscard]] constexpr Field<Record, T> field(std::uint32_t number, std::string_view name,
                                               T Record::* member) {
  return {number, name, member};
}

template <class... Fields>
struct RecordDescription {
  std::string_view name;
  std::tuple<Fields...> fields;
};
template <class... Fields>
[[nodiscard]] constexpr RecordDescription<Fields...> record(std::string_view name,
                                                            Fields... fields) {
  return {name, {fields...}};
}

/// Specialise it to let a struct travel:
///   template <> inline constexpr auto mutirao::middleware::record_of<Point> =
///       record("Point", field(1, "x", &Point::x), field(2, "y", &Point::y));
/// Fields that the other side does not know are ignored, those that it did not send keep their
/// defaults; so fields may be added, and their numbers are never used again.
template <class T>
inline constexpr std::nullptr_t record_of = nullptr;

template <class T>
concept Record = !std::is_same_v<std::remove_cvref_t<decltype(record_of<T>)>, std::nullptr_t>;

template <Record T>
struct Codec<T> {
  static constexpr auto const& description = record_of<T>;
  static constexpr auto kFields = std::tuple_size_v<decltype(description.fields)>;
  static constexpr auto shapes = std::apply(
      []<class... M>(Field<T, M> const&... each) {
        return std::array<FieldShape, kFields>{FieldShape{each.number, each.name, &shape_of<M>}...};
      },
      description.fields);
  static constexpr Shape shape{
      .kind = ShapeKind::record, .name = description.name, .fields = shapes};

  static void write(wire::MsgpackWriter& out, T const& value) {
    out.map(kFields);
    std::apply(
        [&]<class... M>(Field<T, M> const&... each) {
          ((out.integer(each.number), Codec<M>::write(out, value.*each.member)), ...);
        },
        description.fields);
  }
  static T read(Decoder& from) {
    T value{};
    auto const count = from.in.map();
    for (std::size_t i = 0; i < count && !from.failed(); ++i) {
      auto const number = from.in.integer<std::uint32_t>();
      bool const known = std::apply(
          [&]<class... M>(Field<T, M> const&... each) {
            return ((each.number == number &&
                     (static_cast<void>(value.*each.member = Codec<M>::read(from)), true)) ||
                    ...);
          },
          description.fields);
      if (!known) from.in.skip();
    }
    return value;
  }
};

}  // namespace mutirao::middleware
