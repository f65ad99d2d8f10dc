#include "gateways/named_values.h"

#include <array>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"
#include "mutirao/middleware/json_values.h"

namespace mutirao::middleware {
namespace {

using wire::MsgpackKind;
using wire::MsgpackReader;
using wire::MsgpackWriter;

constexpr std::size_t kNamedDepthMax = 48;

std::unexpected<Error> too_deep() {
  return fail(Fault::exhausted, fmt::format("a value lies deeper than {} others", kNamedDepthMax));
}

/// A map whose pairs are counted as they are written.
class OpenMap {
 public:
  explicit OpenMap(MsgpackWriter& out) : out_{out}, head_{out.written().size()} {
    std::array<std::uint8_t, 5> const with_no_count{0xdf, 0, 0, 0, 0};
    out_.raw(with_no_count);
  }
  void pair() noexcept { ++pairs_; }
  void close() { base::store_be(out_.written_at(head_ + 1, 4), pairs_); }

 private:
  MsgpackWriter& out_;
  std::size_t head_;
  std::uint32_t pairs_ = 0;
};

Shape const* without_optional(Shape const* shape) {
  while (shape != nullptr && shape->kind == ShapeKind::optional) shape = shape->elements[0];
  return shape;
}

Shape const* element_shape(Shape const* shape, std::size_t index) {
  if (shape == nullptr) return nullptr;
  if (shape->kind == ShapeKind::list) return shape->elements[0];
  if (shape->kind == ShapeKind::tuple && index < shape->elements.size())
    return shape->elements[index];
  return nullptr;
}

Result<void> name_value(MsgpackWriter& out, MsgpackReader& in, Shape const* shape,
                        std::size_t depth) {
  if (depth > kNamedDepthMax) return too_deep();
  shape = without_optional(shape);
  auto const kind = in.peek();
  if (shape != nullptr && kind == MsgpackKind::array &&
      (shape->kind == ShapeKind::list || shape->kind == ShapeKind::tuple)) {
    auto const count = in.array();
    out.array(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i)
      MUT_TRY(name_value(out, in, element_shape(shape, i), depth + 1));
  } else if (shape != nullptr && kind == MsgpackKind::map && shape->kind == ShapeKind::map) {
    auto const count = in.map();
    out.map(count);
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      out.raw(in.skip());
      MUT_TRY(name_value(out, in, shape->elements[0], depth + 1));
    }
  } else if (shape != nullptr && kind == MsgpackKind::map && shape->kind == ShapeKind::record) {
    auto const count = in.map();
    OpenMap map{out};
    for (std::size_t i = 0; i < count && !in.failed(); ++i) {
      auto const number = in.integer<std::uint32_t>();
      FieldShape const* known = nullptr;
      for (auto const& each : shape->fields)
        if (each.number == number) known = &each;
      if (known == nullptr) {
        in.skip();
        continue;
      }
      map.pair();
      out.string(known->name);
      MUT_TRY(name_value(out, in, known->type, depth + 1));
    }
    map.close();
  } else {
    out.raw(in.skip());
  }
  if (in.failed()) return in.finish();
  return {};
}

/// Where a value lies, as a chain on the stack.
struct ValuePlace {
  ValuePlace const* outer = nullptr;
  std::string_view name{};
  std::size_t index = 0;

  [[nodiscard]] std::string text() const {
    if (outer == nullptr) return std::string{name};
    if (name.data() == nullptr) return fmt::format("{}[{}]", outer->text(), index);
    return fmt::format(
        "{}.{}", outer->text(),
        name.size() <= 64 && base::is_utf8(name) ? std::string{name} : base::quoted(name));
  }
};

std::string_view kind_name(MsgpackKind kind) {
  switch (kind) {
    case MsgpackKind::nil:
      return "nil";
    case MsgpackKind::boolean:
      return "a boolean";
    case MsgpackKind::integer:
      return "an integer";
    case MsgpackKind::number:
      return "a number";
    case MsgpackKind::string:
      return "a string";
    case MsgpackKind::bytes:
      return "bytes";
    case MsgpackKind::array:
      return "an array";
    case MsgpackKind::map:
      return "a map";
    case MsgpackKind::extension:
      return "an extension";
  }
  return "something";
}

bool kind_fits(MsgpackKind kind, ShapeKind wanted) {
  switch (wanted) {
    case ShapeKind::nothing:
    case ShapeKind::attachment:
      return kind == MsgpackKind::nil;
    case ShapeKind::boolean:
      return kind == MsgpackKind::boolean;
    case ShapeKind::integer:
      return kind == MsgpackKind::integer;
    case ShapeKind::number:
      return kind == MsgpackKind::number || kind == MsgpackKind::integer;
    case ShapeKind::string:
    case ShapeKind::bytes:
      return kind == MsgpackKind::string || kind == MsgpackKind::bytes;
    case ShapeKind::list:
    case ShapeKind::tuple:
      return kind == MsgpackKind::array;
    case ShapeKind::map:
    case ShapeKind::record:
      return kind == MsgpackKind::map;
    case ShapeKind::optional:
      break;
  }
  return true;
}

/// Text of either kind: old encoders have one for both.
std::string_view text_key(MsgpackReader& in) {
  if (in.peek() == MsgpackKind::bytes) return base::text_of(in.bytes());
  return in.string();
}

class Numberer {
 public:
  Numberer(MsgpackWriter& out, MsgpackReader& in) : out_{out}, in_{in} {}

  Result<void> value(Shape const* shape, ValuePlace const& place, std::size_t depth) {
    if (depth > kNamedDepthMax) return too_deep();
    auto const kind = in_.peek();
    if (!kind) return broken(place);
    bool const optional = shape != nullptr && shape->kind == ShapeKind::optional;
    shape = without_optional(shape);
    if (shape == nullptr || (optional && kind == MsgpackKind::nil)) {
      out_.raw(in_.skip());
    } else if (!kind_fits(*kind, shape->kind)) {
      return fail(Fault::invalid, fmt::format("{}: {} where {} is wanted", place.text(),
                                              kind_name(*kind), wanted_kind(*shape)));
    } else if (shape->kind == ShapeKind::integer) {
      MUT_TRY(integer(*shape, place));
    } else if (kind == MsgpackKind::array) {
      auto const count = in_.array();
      if (shape->kind == ShapeKind::tuple && count > shape->elements.size())
        return fail(Fault::invalid, fmt::format("{}: {} values where there are only {}",
                                                place.text(), count, shape->elements.size()));
      out_.array(count);
      for (std::size_t i = 0; i < count && !in_.failed(); ++i)
        MUT_TRY(value(element_shape(shape, i), {.outer = &place, .index = i}, depth + 1));
    } else if (shape->kind == ShapeKind::map) {
      auto const count = in_.map();
      out_.map(count);
      for (std::size_t i = 0; i < count && !in_.failed(); ++i) {
        auto const encoded = in_.rest();
        auto const key = text_key(in_);
        if (in_.failed()) break;
        out_.raw(encoded.first(encoded.size() - in_.rest().size()));
        MUT_TRY(value(shape->elements[0], {.outer = &place, .name = key}, depth + 1));
      }
    } else if (shape->kind == ShapeKind::record) {
      MUT_TRY(record(*shape, place, depth));
    } else {
      out_.raw(in_.skip());
    }
    if (in_.failed()) return broken(place);
    return {};
  }

 private:
  static std::string wanted_kind(Shape const& shape) {
    return shape.kind == ShapeKind::bytes ? "bytes" : wanted_name(shape);
  }
  Result<void> broken(ValuePlace const& place) const {
    return in_.failed() ? Result<void>{std::unexpected{in_.finish().error().during(place.text())}}
                        : fail(Fault::corrupt, fmt::format("{}: a value is missing", place.text()));
  }
  Result<void> integer(Shape const& shape, ValuePlace const& place) {
    MsgpackReader probe{in_.rest()};
    auto const positive = probe.integer<std::uint64_t>();
    auto const encoded = in_.skip();
    std::int64_t negative = 0;
    if (probe.failed()) negative = MsgpackReader{encoded}.integer<std::int64_t>();
    bool const is_negative = probe.failed();
    if (!fits(shape, is_negative, is_negative ? static_cast<std::uint64_t>(negative) : positive))
      return fail(Fault::invalid,
                  fmt::format("{}: {} does not fit {}", place.text(),
                              is_negative ? std::to_string(negative) : std::to_string(positive),
                              to_string(shape)));
    out_.raw(encoded);
    return {};
  }
  Result<void> record(Shape const& shape, ValuePlace const& place, std::size_t depth) {
    auto const count = in_.map();
    OpenMap map{out_};
    for (std::size_t i = 0; i < count && !in_.failed(); ++i) {
      FieldShape const* known = nullptr;
      if (in_.peek() == MsgpackKind::integer) {
        auto const number = in_.integer<std::uint32_t>();
        for (auto const& each : shape.fields)
          if (each.number == number) known = &each;
        if (known == nullptr) {
          in_.skip();  // of a newer version
          continue;
        }
      } else {
        auto const name = text_key(in_);
        if (in_.failed()) break;
        for (auto const& each : shape.fields)
          if (each.name == name) known = &each;
        if (known == nullptr)
          return std::unexpected{
              unknown_field(ValuePlace{.outer = &place, .name = name}.text(), name, shape)};
      }
      map.pair();
      out_.integer(known->number);
      MUT_TRY(value(known->type, {.outer = &place, .name = known->name}, depth + 1));
    }
    map.close();
    return {};
  }

  MsgpackWriter& out_;
  MsgpackReader& in_;
};

}  // namespace

Result<void> append_named(MsgpackWriter& out, MsgpackReader& in, Shape const* shape) {
  return name_value(out, in, shape, 0);
}

Result<void> append_numbered(MsgpackWriter& out, MsgpackReader& in, Shape const* shape,
                             std::string_view root) {
  return Numberer{out, in}.value(shape, {.name = root}, 0);
}

}  // namespace mutirao::middleware
