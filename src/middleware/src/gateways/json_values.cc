#include "mutirao/middleware/json_values.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mutirao/base/spelling.h"
#include "mutirao/base/utf8.h"

namespace mutirao::middleware {
namespace {

using wire::MsgpackKind;
using wire::MsgpackReader;
using wire::MsgpackWriter;

constexpr std::size_t kWrittenFactor = 4;
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4.
void append_base64(std::string& out, ByteView bytes) {
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    auto const left = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < left ? bytes[i + k] : 0);
    for (std::size_t k = 0; k < 4; ++k)
      out += k <= left ? kBase64[group >> (18 - 6 * k) & 63] : '=';
  }
}

/// Either alphabet of RFC 4648, with its padding or without.
std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  if (text.size() % 4 == 1) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (char letter : text) {
    if (letter == '-') letter = '+';
    if (letter == '_') letter = '/';
    auto const value = kBase64.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(group >> bits));
  }
  // Bits that no byte has must not say anything: two texts would be the same bytes.
  if ((group & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

/// Both ways of writing JSON values end here.
class JsonPrinter {
 public:
  JsonPrinter(std::string& out, MsgpackReader& in, JsonLimits const& limits)
      : out_{out}, in_{in}, limits_{limits}, begin_{out.size()} {}

  Result<void> value(Shape const* shape, std::size_t depth) {
    if (depth > limits_.depth_max)
      return fail(Fault::exhausted,
                  fmt::format("a value lies deeper than {} others", limits_.depth_max));
    if (out_.size() - begin_ > kWrittenFactor * limits_.bytes_max)
      return fail(Fault::exhausted, fmt::format("the value is longer than {} bytes of JSON",
                                                kWrittenFactor * limits_.bytes_max));
    while (shape != nullptr && shape->kind == ShapeKind::optional) shape = shape->elements[0];
    auto const kind = in_.peek();
    if (!kind) return in_.failed() ? in_.finish() : fail(Fault::corrupt, "a value is missing");
    switch (*kind) {
      case MsgpackKind::nil:
        in_.nil();
        out_ += "null";
        break;
      case MsgpackKind::boolean:
        out_ += in_.boolean() ? "true" : "false";
        break;
      case MsgpackKind::integer:
        integer();
        break;
      case MsgpackKind::number:
        number();
        break;
      case MsgpackKind::string:
        if (shape != nullptr && shape->kind == ShapeKind::bytes)
          base64(in_.bytes());
        else
          append_json_string(out_, in_.string());
        break;
      case MsgpackKind::bytes:
        if (shape != nullptr && shape->kind == ShapeKind::string)
          append_json_string(out_, base::text_of(in_.bytes()));
        else
          base64(in_.bytes());
        break;
      case MsgpackKind::extension:
        base64(in_.extension().content);
        break;
      case MsgpackKind::array:
        return array(shape, depth);
      case MsgpackKind::map:
        return shape != nullptr && shape->kind == ShapeKind::record ? record(*shape, depth)
                                                                    : map(shape, depth);
    }
    if (in_.failed()) return in_.finish();
    return {};
  }

 private:
  void integer() {
    MsgpackReader positive{in_.rest()};
    auto const value = positive.integer<std::uint64_t>();
    if (positive.failed())
      fmt::format_to(std::back_inserter(out_), "{}", in_.integer<std::int64_t>());
    else
      fmt::format_to(std::back_inserter(out_), "{}", value);
    if (!positive.failed()) static_cast<void>(in_.integer<std::uint64_t>());
  }
  void number() {
    auto const value = in_.number();
    if (std::isnan(value)) {
      out_ += "\"NaN\"";
    } else if (std::isinf(value)) {
      out_ += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    } else {
      auto const text = fmt::format("{}", value);
      out_ += text;
      // What reads it without a shape should see that it is no integer.
      if (text.find_first_of(".e") == std::string::npos) out_ += ".0";
    }
  }
  void base64(ByteView bytes) {
    out_ += '"';
    append_base64(out_, bytes);
    out_ += '"';
  }
  Result<void> array(Shape const* shape, std::size_t depth) {
    auto const count = in_.array();
    out_ += '[';
    for (std::size_t i = 0; i < count && !in_.failed(); ++i) {
      if (i > 0) out_ += ',';
      MUT_TRY(value(element(shape, i), depth + 1));
    }
    out_ += ']';
    if (in_.failed()) return in_.finish();
    return {};
  }
  static Shape const* element(Shape const* shape, std::size_t i) {
    if (shape == nullptr) return nullptr;
    if (shape->kind == ShapeKind::list) return shape->elements[0];
    if (shape->kind == ShapeKind::tuple && i < shape->elements.size()) return shape->elements[i];
    return nullptr;
  }
  Result<void> record(Shape const& shape, std::size_t depth) {
    auto const count = in_.map();
    out_ += '{';
    bool first = true;
    for (std::size_t i = 0; i < count && !in_.failed(); ++i) {
      auto const number = in_.integer<std::uint32_t>();
      FieldShape const* known = nullptr;
      for (auto const& each : shape.fields)
        if (each.number == number) known = &each;
      if (known == nullptr) {
        in_.skip();
        continue;
      }
      if (!std::exchange(first, false)) out_ += ',';
      append_json_string(out_, known->name);
      out_ += ':';
      MUT_TRY(value(known->type, depth + 1));
    }
    out_ += '}';
    if (in_.failed()) return in_.finish();
    return {};
  }
  Result<void> map(Shape const* shape, std::size_t depth) {
    auto const* const type =
        shape != nullptr && shape->kind == ShapeKind::map ? shape->elements[0] : nullptr;
    auto const count = in_.map();
    out_ += '{';
    for (std::size_t i = 0; i < count && !in_.failed(); ++i) {
      if (i > 0) out_ += ',';
      MUT_TRY(key(depth));
      out_ += ':';
      MUT_TRY(value(type, depth + 1));
    }
    out_ += '}';
    if (in_.failed()) return in_.finish();
    return {};
  }
  /// JSON has no keys but strings: others are their JSON as a string.
  Result<void> key(std::size_t depth) {
    auto const kind = in_.peek();
    if (kind == MsgpackKind::string) {
      append_json_string(out_, in_.string());
      return {};
    }
    if (kind == MsgpackKind::bytes) {
      append_json_string(out_, base::text_of(in_.bytes()));
      return {};
    }
    std::string text;
    MUT_TRY(JsonPrinter{text, in_, limits_}.value(nullptr, depth + 1));
    append_json_string(out_, text);
    return {};
  }

  std::string& out_;
  MsgpackReader& in_;
  JsonLimits const& limits_;
  std::size_t begin_;
};

/// Takes what the parser sees, one thing after the other, and writes it. Heads of containers are
/// written before their counts are known, at full length.
class JsonFiller final : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonFiller(MsgpackWriter& out, Shape const* shape, std::string_view root,
             JsonLimits const& limits)
      : out_{out}, shape_{shape}, root_{root}, limits_{limits} {}

  [[nodiscard]] std::optional<Error>& error() noexcept { return error_; }

  bool null() override {
    auto const* const shape = next();
    if (stopped()) return false;
    if (!optional_ && shape != nullptr && shape->kind != ShapeKind::nothing &&
        shape->kind != ShapeKind::attachment)
      return mismatch("null", *shape);
    out_.nil();
    return true;
  }
  bool boolean(bool value) override {
    auto const* const shape = next();
    if (stopped()) return false;
    if (shape != nullptr && shape->kind != ShapeKind::boolean) return mismatch("a boolean", *shape);
    out_.boolean(value);
    return true;
  }
  bool number_integer(std::int64_t value) override {
    return integer(value < 0, static_cast<std::uint64_t>(value), [&] { out_.integer(value); });
  }
  bool number_unsigned(std::uint64_t value) override {
    return integer(false, value, [&] { out_.integer(value); });
  }
  bool number_float(double value, std::string const& text) override {
    auto const* const shape = next();
    if (stopped()) return false;
    if (shape != nullptr && shape->kind == ShapeKind::integer) {
      // Up to 2^53 a double is exact, and 1e3 as good a thousand as any.
      if (std::abs(value) > 0x1p53 || value != std::trunc(value))
        return refuse(fmt::format("{} where {} is wanted", base::quoted(text), to_string(*shape)));
      auto const whole = static_cast<std::int64_t>(value);
      if (!fits(*shape, whole < 0, static_cast<std::uint64_t>(whole)))
        return out_of_range(text, *shape);
      out_.integer(whole);
      return true;
    }
    if (shape != nullptr && shape->kind != ShapeKind::number) return mismatch("a number", *shape);
    out_.number(value);
    return true;
  }
  bool string(std::string& text) override {
    auto const* const shape = next();
    if (stopped()) return false;
    auto const kind = shape == nullptr ? ShapeKind::string : shape->kind;
    if (kind == ShapeKind::string) {
      out_.string(text);
      return true;
    }
    if (kind == ShapeKind::number) {
      for (auto const& [name, value] :
           {std::pair{"NaN", std::nan("")}, std::pair{"Infinity", HUGE_VAL},
            std::pair{"-Infinity", -HUGE_VAL}}) {
        if (text != name) continue;
        out_.number(value);
        return true;
      }
    }
    if (kind != ShapeKind::bytes) return mismatch("a string", *shape);
    auto const bytes = from_base64(text);
    if (!bytes) return refuse(fmt::format("{} is no base64", base::quoted(text)));
    out_.bytes(*bytes);
    return true;
  }
  bool binary(nlohmann::json::binary_t& /*of other formats*/) override { return false; }

  bool start_array(std::size_t /*unknown*/) override {
    auto const* const shape = next();
    if (stopped()) return false;
    if (shape != nullptr && shape->kind != ShapeKind::list && shape->kind != ShapeKind::tuple)
      return mismatch("an array", *shape);
    return open(shape, 0xdd);
  }
  bool start_object(std::size_t /*unknown*/) override {
    auto const* const shape = next();
    if (stopped()) return false;
    if (shape != nullptr && shape->kind != ShapeKind::map && shape->kind != ShapeKind::record)
      return mismatch("an object", *shape);
    return open(shape, 0xdf);
  }
  bool key(std::string& name) override {
    auto& frame = frames_.back();
    frame.key = name;
    frame.field = nullptr;
    if (frame.shape == nullptr || frame.shape->kind != ShapeKind::record) {
      out_.string(name);
      return true;
    }
    for (auto const& each : frame.shape->fields)
      if (each.name == name) frame.field = &each;
    if (frame.field == nullptr) {
      error_ = unknown_field(path(), name, *frame.shape);
      return false;
    }
    for (auto const* const seen : frame.seen)
      if (seen == frame.field) return refuse("it is there twice");
    frame.seen.push_back(frame.field);
    out_.integer(frame.field->number);
    return true;
  }
  bool end_array() override { return close(); }
  bool end_object() override { return close(); }
  bool parse_error(std::size_t position, std::string const& last,
                   nlohmann::json::exception const& /*says it at length*/) override {
    if (!error_)
      error_ = Error{Fault::invalid,
                     fmt::format("{}: this is not JSON: at byte {}, near {}", root_, position,
                                 base::quoted(last)),
                     {}};
    return false;
  }

 private:
  struct Frame {
    Shape const* shape;
    std::size_t head;           // where its head lies
    std::size_t count = 0;      // elements that have begun
    std::string key{};          // of an object: the last one
    FieldShape const* field{};  // of a record: the last one
    std::vector<FieldShape const*> seen{};
    bool object = false;
  };

  [[nodiscard]] bool stopped() const noexcept { return error_.has_value(); }

  /// The shape of the value that begins here, optionals taken off; counts it.
  Shape const* next() {
    optional_ = false;
    if (++values_ > limits_.values_max)
      refuse(fmt::format("more than {} values", limits_.values_max), Fault::exhausted);
    auto const* shape = shape_;
    if (!frames_.empty()) {
      auto& frame = frames_.back();
      ++frame.count;
      shape = nullptr;
      if (frame.field != nullptr) {
        shape = frame.field->type;
      } else if (frame.shape != nullptr && frame.shape->kind == ShapeKind::tuple) {
        if (frame.count > frame.shape->elements.size())
          refuse(fmt::format("there are only {}", frame.shape->elements.size()));
        else
          shape = frame.shape->elements[frame.count - 1];
      } else if (frame.shape != nullptr) {
        shape = frame.shape->elements[0];
      }
    }
    for (; shape != nullptr && shape->kind == ShapeKind::optional; shape = shape->elements[0])
      optional_ = true;
    return shape;
  }
  template <class Put>
  bool integer(bool negative, std::uint64_t bits, Put&& put) {
    auto const* const shape = next();
    if (stopped()) return false;
    if (shape != nullptr && shape->kind == ShapeKind::number) {
      out_.number(negative ? static_cast<double>(static_cast<std::int64_t>(bits))
                           : static_cast<double>(bits));
      return true;
    }
    if (shape != nullptr && shape->kind != ShapeKind::integer)
      return mismatch("an integer", *shape);
    if (shape != nullptr && !fits(*shape, negative, bits))
      return out_of_range(
          negative ? std::to_string(static_cast<std::int64_t>(bits)) : std::to_string(bits),
          *shape);
    put();
    return true;
  }
  bool open(Shape const* shape, std::uint8_t head) {
    if (frames_.size() >= limits_.depth_max)
      return refuse(fmt::format("deeper than {} others", limits_.depth_max), Fault::exhausted);
    frames_.push_back({.shape = shape, .head = out_.written().size(), .object = head == 0xdf});
    std::array<std::uint8_t, 5> const with_no_count{head, 0, 0, 0, 0};
    out_.raw(with_no_count);
    return true;
  }
  bool close() {
    auto const& frame = frames_.back();
    base::store_be(out_.written_at(frame.head + 1, 4), static_cast<std::uint32_t>(frame.count));
    frames_.pop_back();
    return true;
  }

  std::string path() const {
    std::string path{root_};
    for (auto const& frame : frames_) {
      if (frame.object)
        path += frame.key.size() <= 64 && base::is_utf8(frame.key) ? "." + frame.key
                                                                   : "." + base::quoted(frame.key);
      else if (frame.count > 0)
        path += fmt::format("[{}]", frame.count - 1);
    }
    return path;
  }
  bool refuse(std::string what, Fault fault = Fault::invalid, std::string mend = {}) {
    if (!error_) error_ = Error{fault, fmt::format("{}: {}", path(), what), std::move(mend)};
    return false;
  }
  bool mismatch(std::string_view found, Shape const& wanted) {
    return refuse(fmt::format("{} where {} is wanted", found, wanted_name(wanted)));
  }
  bool out_of_range(std::string_view text, Shape const& shape) {
    return refuse(fmt::format("{} does not fit {}", base::quoted(text), to_string(shape)));
  }
  MsgpackWriter& out_;
  Shape const* shape_;
  std::string_view root_;
  JsonLimits const& limits_;
  std::vector<Frame> frames_;
  std::size_t values_ = 0;
  bool optional_ = false;  // the value that begins may be null
  std::optional<Error> error_;
};

}  // namespace

std::string wanted_name(Shape const& shape) {
  switch (shape.kind) {
    case ShapeKind::nothing:
      return "null";
    case ShapeKind::attachment:
      return "null, in place of what is attached,";
    case ShapeKind::boolean:
      return "a boolean";
    case ShapeKind::integer:
      return "an integer";
    case ShapeKind::number:
      return "a number";
    case ShapeKind::string:
      return "a string";
    case ShapeKind::bytes:
      return "a string of base64";
    case ShapeKind::list:
    case ShapeKind::tuple:
      return "an array " + to_string(shape);
    case ShapeKind::optional:
      return wanted_name(*shape.elements[0]);
    case ShapeKind::map:
    case ShapeKind::record:
      return "an object " + to_string(shape);
  }
  return "something else";
}

Error unknown_field(std::string_view where, std::string_view name, Shape const& record) {
  std::vector<std::string> names;
  for (auto const& each : record.fields) names.emplace_back(each.name);
  auto const near = base::nearest(name.substr(0, 64), names);
  return Error{Fault::invalid, fmt::format("{}: {} has no such field", where, record.name),
               near.empty() ? fmt::format("it has: {}", fmt::join(names, ", "))
                            : fmt::format("do you mean {}?", near)};
}

bool fits(Shape const& shape, bool negative, std::uint64_t bits) noexcept {
  if (negative) {
    if (!shape.is_signed) return false;
    return shape.bits >= 64 ||
           static_cast<std::int64_t>(bits) >= -(std::int64_t{1} << (shape.bits - 1));
  }
  auto const width = shape.bits - (shape.is_signed ? 1u : 0u);
  return width >= 64 || bits >> width == 0;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    base::Utf8Reader reader{text};
    std::size_t good = 0;
    while (!reader.at_end() && reader.next()) good = reader.position();
    for (char const letter : text.substr(0, good)) {
      switch (letter) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\r':
          out += "\\r";
          break;
        default:
          if (static_cast<unsigned char>(letter) < 0x20)
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(letter));
          else
            out += letter;
      }
    }
    if (good == text.size()) break;
    out += "\xef\xbf\xbd";
    text.remove_prefix(good + 1);
  }
  out += '"';
}

Result<void> append_json(std::string& out, MsgpackReader& in, Shape const* shape,
                         JsonLimits const& limits) {
  return JsonPrinter{out, in, limits}.value(shape, 0);
}

Result<std::string> json_from(ByteView encoded, Shape const* shape, JsonLimits const& limits) {
  std::string out;
  MsgpackReader in{encoded};
  MUT_TRY(append_json(out, in, shape, limits));
  MUT_TRY(in.finish());
  return out;
}

Result<void> msgpack_from_json(MsgpackWriter& out, std::string_view json, Shape const* shape,
                               std::string_view root, JsonLimits const& limits) {
  if (json.size() > limits.bytes_max)
    return fail(Fault::exhausted,
                fmt::format("{}: more than {} bytes of JSON", root, limits.bytes_max));
  JsonFiller filler{out, shape, root, limits};
  try {
    if (nlohmann::json::sax_parse(json.begin(), json.end(), &filler)) return {};
  } catch (std::exception const& error) {
    return fail(Fault::exhausted, fmt::format("{}: {}", root, error.what()));
  }
  if (auto& error = filler.error()) return std::unexpected{*std::move(error)};
  return fail(Fault::invalid, fmt::format("{}: this is not JSON", root));
}

}  // namespace mutirao::middleware
