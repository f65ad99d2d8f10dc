#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "mutirao/base/check.h"
#include "mutirao/wire/msgpack.h"

namespace mutirao::wire {
namespace {

constexpr std::size_t kCapacityMin = 512;

std::uint32_t length_of(std::size_t size) {
  MUT_ASSERT(size <= std::numeric_limits<std::uint32_t>::max());
  return static_cast<std::uint32_t>(size);
}

}  // namespace

void MsgpackWriter::grow(std::size_t bytes) {
  auto const capacity = std::max({size_ + bytes, 2 * capacity_, kCapacityMin});
  auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
  if (size_ > 0) std::memcpy(larger.get(), buffer_.get(), size_);
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

MsgpackWriter& MsgpackWriter::short_head(std::uint8_t type, std::uint32_t value) {
  if (value <= 0xff) return head<std::uint8_t>(type, static_cast<std::uint8_t>(value));
  auto const next = static_cast<std::uint8_t>(type + 1);
  if (value <= 0xffff) return head<std::uint16_t>(next, static_cast<std::uint16_t>(value));
  return head<std::uint32_t>(static_cast<std::uint8_t>(type + 2), value);
}

MsgpackWriter& MsgpackWriter::container(std::uint8_t few, std::uint8_t type, std::size_t values) {
  auto const count = length_of(values);
  if (count < 16) return one(static_cast<std::uint8_t>(few | count));
  if (count <= 0xffff) return head<std::uint16_t>(type, static_cast<std::uint16_t>(count));
  return head<std::uint32_t>(static_cast<std::uint8_t>(type + 1), count);
}

MsgpackWriter& MsgpackWriter::negative(std::int64_t value) {
  if (value >= -32) return one(static_cast<std::uint8_t>(value));
  if (value >= INT8_MIN) return head<std::uint8_t>(0xd0, static_cast<std::uint8_t>(value));
  if (value >= INT16_MIN) return head<std::uint16_t>(0xd1, static_cast<std::uint16_t>(value));
  if (value >= INT32_MIN) return head<std::uint32_t>(0xd2, static_cast<std::uint32_t>(value));
  return head<std::uint64_t>(0xd3, static_cast<std::uint64_t>(value));
}

MsgpackWriter& MsgpackWriter::number(double value) {
  return head<std::uint64_t>(0xcb, std::bit_cast<std::uint64_t>(value));
}

namespace {
/// At most 32 bytes, by two copies that overlap: a call of memcpy costs more than names are long.
void copy_short(std::uint8_t* to, char const* from, std::size_t size) {
  auto const twice = [&]<std::size_t kHalf>(std::integral_constant<std::size_t, kHalf>) {
    std::array<std::uint8_t, kHalf> first;
    std::array<std::uint8_t, kHalf> last;
    std::memcpy(first.data(), from, kHalf);
    std::memcpy(last.data(), from + size - kHalf, kHalf);
    std::memcpy(to, first.data(), kHalf);
    std::memcpy(to + size - kHalf, last.data(), kHalf);
  };
  if (size >= 16) {
    twice(std::integral_constant<std::size_t, 16>{});
  } else if (size >= 8) {
    twice(std::integral_constant<std::size_t, 8>{});
  } else if (size >= 4) {
    twice(std::integral_constant<std::size_t, 4>{});
  } else {
    for (std::size_t i = 0; i < size; ++i) to[i] = static_cast<std::uint8_t>(from[i]);
  }
}
}  // namespace

MsgpackWriter& MsgpackWriter::string(std::string_view value) {
  auto const size = length_of(value.size());
  if (size < 32) {
    auto* const at = room(1 + size);
    *at = static_cast<std::uint8_t>(0xa0 | size);
    copy_short(at + 1, value.data(), size);
    size_ += 1 + size;
    return *this;
  }
  return short_head(0xd9, size).raw(base::view_of(value));
}

MsgpackWriter& MsgpackWriter::bytes(ByteView value) {
  return short_head(0xc4, length_of(value.size())).raw(value);
}

MsgpackWriter& MsgpackWriter::array(std::size_t elements) {
  return container(0x90, 0xdc, elements);
}

MsgpackWriter& MsgpackWriter::map(std::size_t pairs) { return container(0x80, 0xde, pairs); }

MsgpackWriter& MsgpackWriter::extension(std::int8_t type, ByteView content) {
  auto const size = length_of(content.size());
  if (std::has_single_bit(size) && size <= 16)
    one(static_cast<std::uint8_t>(0xd4 + std::countr_zero(size)));
  else
    short_head(0xc7, size);
  return one(static_cast<std::uint8_t>(type)).raw(content);
}

MsgpackWriter& MsgpackWriter::raw(ByteView encoded) {
  if (encoded.empty()) return *this;
  if (encoded.size() >= refer_min_) {
    references_.push_back({size_, encoded});
    return *this;
  }
  std::memcpy(room(encoded.size()), encoded.data(), encoded.size());
  size_ += encoded.size();
  return *this;
}

std::vector<ByteView> MsgpackWriter::gathered() const {
  std::vector<ByteView> parts;
  std::size_t from = 0;
  for (auto const& [at, content] : references_) {
    if (at > from) parts.push_back(written().subspan(from, at - from));
    parts.push_back(content);
    from = at;
  }
  if (from < size_) parts.push_back(written().subspan(from));
  return parts;
}

}  // namespace mutirao::wire
