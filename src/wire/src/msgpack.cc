#include "mutirao/wire/msgpack.h"

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>

#include "mutirao/base/utf8.h"

namespace mutirao::wire {
namespace {

/// Strings of calls are ASCII nearly always.
bool is_text(ByteView bytes) noexcept {
  std::uint64_t seen = 0;
  std::size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) seen |= base::load_be<std::uint64_t>(bytes.subspan(at));
  for (; at < bytes.size(); ++at) seen |= bytes[at];
  return (seen & 0x8080808080808080u) == 0 || base::is_utf8(base::text_of(bytes));
}

}  // namespace

void MsgpackReader::fail_at(std::uint8_t const* where, char const* what) noexcept {
  if (failure_ != nullptr) return;
  failure_ = what;
  failed_at_ = where;
  at_ = end_;
}

std::optional<std::uint64_t> MsgpackReader::big_endian(std::size_t bytes) noexcept {
  if (static_cast<std::size_t>(end_ - at_) < bytes) {
    fail_at(end_, "the end, within a value");
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | at_[i];
  at_ += bytes;
  return value;
}

std::optional<MsgpackReader::Head> MsgpackReader::head() noexcept {
  if (at_ == end_) {
    fail_at(end_, "the end, where a value was due");
    return std::nullopt;
  }
  using enum MsgpackKind;
  auto const* const start = at_;
  std::uint8_t const type = *at_++;
  if (type < 0x80) return Head{.kind = integer, .value = type};
  if (type < 0x90) return Head{.kind = map, .value = type & 0x0fu};
  if (type < 0xa0) return Head{.kind = array, .value = type & 0x0fu};
  if (type < 0xc0) return Head{.kind = string, .value = type & 0x1fu};
  if (type >= 0xe0)
    return Head{.kind = integer,
                .value = static_cast<std::uint64_t>(static_cast<std::int8_t>(type)),
                .negative = true};

  // Those with a length, a count or a value of 1, 2, 4 or 8 bytes behind the type.
  auto const sized = [&](MsgpackKind kind, std::size_t bytes) -> std::optional<Head> {
    auto const value = big_endian(bytes);
    return value ? std::optional{Head{.kind = kind, .value = *value}} : std::nullopt;
  };
  auto const with_type = [&](std::optional<Head> found) -> std::optional<Head> {
    auto const extension_type = found ? big_endian(1) : std::nullopt;
    if (!extension_type) return std::nullopt;
    found->extension_type = static_cast<std::int8_t>(*extension_type);
    return found;
  };
  auto const power = [&](std::uint8_t first) { return std::size_t{1} << (type - first); };
  switch (type) {
    case 0xc0:
      return Head{.kind = nil};
    case 0xc2:
    case 0xc3:
      return Head{.kind = boolean, .value = type & 1u};
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return sized(bytes, power(0xc4));
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return with_type(sized(extension, power(0xc7)));
    case 0xca: {
      auto found = sized(number, 4);
      if (found) found->is_float32 = true;
      return found;
    }
    case 0xcb:
      return sized(number, 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3: {
      auto const value = sized_integer(type);
      if (failed()) return std::nullopt;
      return Head{.kind = integer, .value = value.bits, .negative = value.negative};
    }
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return with_type(Head{.kind = extension, .value = power(0xd4)});
    case 0xd9:
    case 0xda:
    case 0xdb:
      return sized(string, power(0xd9));
    case 0xdc:
    case 0xdd:
      return sized(array, 2 * power(0xdc));
    case 0xde:
    case 0xdf:
      return sized(map, 2 * power(0xde));
    default:
      fail_at(start, "the byte c1, which means nothing");
      return std::nullopt;
  }
}

std::optional<MsgpackKind> MsgpackReader::peek() const noexcept {
  if (at_ == end_) return std::nullopt;
  using enum MsgpackKind;
  std::uint8_t const type = *at_;
  if (type < 0x80 || type >= 0xe0) return integer;
  if (type < 0x90) return map;
  if (type < 0xa0) return array;
  if (type < 0xc0) return string;
  static constexpr std::array<MsgpackKind, 32> kKinds{
      nil,       nil,       boolean, boolean, bytes,     bytes,     bytes,     extension,
      extension, extension, number,  number,  integer,   integer,   integer,   integer,
      integer,   integer,   integer, integer, extension, extension, extension, extension,
      extension, string,    string,  string,  array,     array,     map,       map};
  if (type == 0xc1) return std::nullopt;
  return kKinds[type - 0xc0];
}

std::optional<MsgpackReader::Head> MsgpackReader::head_of(MsgpackKind kind,
                                                          char const* otherwise) noexcept {
  auto const* const start = at_;
  auto const found = head();
  if (found && found->kind == kind) return found;
  fail_at(start, otherwise);
  return std::nullopt;
}

ByteView MsgpackReader::content(std::uint64_t size) noexcept {
  if (size > static_cast<std::uint64_t>(end_ - at_)) {
    fail_at(end_, "the end, within a value");
    return {};
  }
  ByteView const found{at_, static_cast<std::size_t>(size)};
  at_ += size;
  return found;
}

void MsgpackReader::nil() noexcept {
  static_cast<void>(head_of(MsgpackKind::nil, "something else where nil was due"));
}

bool MsgpackReader::boolean() noexcept {
  auto const found = head_of(MsgpackKind::boolean, "something else where true or false was due");
  return found && found->value != 0;
}

MsgpackReader::Wide MsgpackReader::any_integer() noexcept {
  auto const type = at_ != end_ ? *at_ : std::uint8_t{0};
  if (type >= 0xcc && type <= 0xd3) {
    ++at_;
    return sized_integer(type);
  }
  auto const found = head_of(MsgpackKind::integer, "something else where an integer was due");
  return found ? Wide{found->value, found->negative} : Wide{};
}

/// Behind its type, of 0xcc to 0xd3.
MsgpackReader::Wide MsgpackReader::sized_integer(std::uint8_t type) noexcept {
  auto const size = 1 << (type & 3);
  auto const bits = big_endian(static_cast<std::size_t>(size)).value_or(0);
  if (type < 0xd0) return {bits, false};
  // The sign is the first bit of what was there.
  auto const unused = 64 - 8 * size;
  auto const value = static_cast<std::int64_t>(bits << unused) >> unused;
  return {static_cast<std::uint64_t>(value), value < 0};
}

double MsgpackReader::number() noexcept {
  if (peek() == MsgpackKind::integer) {
    auto const whole = wide_integer();
    return whole.negative ? static_cast<double>(static_cast<std::int64_t>(whole.bits))
                          : static_cast<double>(whole.bits);
  }
  auto const found = head_of(MsgpackKind::number, "something else where a number was due");
  if (!found) return 0;
  return found->is_float32 ? std::bit_cast<float>(static_cast<std::uint32_t>(found->value))
                           : std::bit_cast<double>(found->value);
}

/// The content of a string; the usual short one without a look at all the other forms.
std::optional<ByteView> MsgpackReader::text() noexcept {
  if (at_ != end_ && (*at_ & 0xe0u) == 0xa0 && (*at_ & 0x1f) < end_ - at_) {
    ByteView const found{at_ + 1, *at_ & std::size_t{0x1f}};
    at_ += 1 + found.size();
    return found;
  }
  auto const found = head_of(MsgpackKind::string, "something else where a string was due");
  return found ? std::optional{content(found->value)} : std::nullopt;
}

std::string_view MsgpackReader::string() noexcept {
  auto const* const start = at_;
  auto const found = text();
  if (!found) return {};
  if (!is_text(*found)) {
    fail_at(start, "a string that is not UTF-8");
    return {};
  }
  return base::text_of(*found);
}

ByteView MsgpackReader::bytes() noexcept {
  auto const kind = peek() == MsgpackKind::string ? MsgpackKind::string : MsgpackKind::bytes;
  auto const found = head_of(kind, "something else where bytes were due");
  return found ? content(found->value) : ByteView{};
}

std::size_t MsgpackReader::any_array() noexcept {
  auto const* const start = at_;
  auto const found = head_of(MsgpackKind::array, "something else where an array was due");
  if (!found) return 0;
  if (found->value > rest().size()) fail_at(start, "an array of more than there is");
  return failed() ? 0 : static_cast<std::size_t>(found->value);
}

std::size_t MsgpackReader::map() noexcept {
  auto const* const start = at_;
  auto const found = head_of(MsgpackKind::map, "something else where a map was due");
  if (!found) return 0;
  if (found->value > rest().size() / 2) fail_at(start, "a map of more than there is");
  return failed() ? 0 : static_cast<std::size_t>(found->value);
}

MsgpackReader::Extension MsgpackReader::extension() noexcept {
  auto const found = head_of(MsgpackKind::extension, "something else where an extension was due");
  if (!found) return {};
  auto const inside = content(found->value);
  return failed() ? Extension{} : Extension{found->extension_type, inside};
}

ByteView MsgpackReader::skip() noexcept {
  auto const* const start = at_;
  // How many values are still due, of each container that is open and of the outside.
  std::array<std::uint64_t, kDepthMax + 1> due;
  std::size_t depth = 0;
  due[0] = 1;
  while (true) {
    while (due[depth] == 0) {
      if (depth == 0) return {start, at_};
      --depth;
    }
    --due[depth];
    auto const* const here = at_;
    std::uint64_t values = 0;
    switch (peek().value_or(MsgpackKind::nil)) {
      case MsgpackKind::array:
        values = array();
        break;
      case MsgpackKind::map:
        values = 2 * static_cast<std::uint64_t>(map());
        break;
      case MsgpackKind::string:
        static_cast<void>(string());
        break;
      case MsgpackKind::bytes:
        static_cast<void>(bytes());
        break;
      case MsgpackKind::extension:
        static_cast<void>(extension());
        break;
      default:
        static_cast<void>(head());
        break;
    }
    if (values > 0 && depth == kDepthMax) fail_at(here, "containers inside each other without end");
    if (failed()) return {};
    if (values > 0) due[++depth] = values;
  }
}

Result<void> MsgpackReader::finish() const {
  if (failure_ == nullptr && at_ == end_) return {};
  auto const* const where = failure_ != nullptr ? failed_at_ : at_;
  return fail(Fault::corrupt, fmt::format("MessagePack, byte {}: {}", where - begin_,
                                          failure_ != nullptr ? failure_ : "more than was due"));
}

}  // namespace mutirao::wire
