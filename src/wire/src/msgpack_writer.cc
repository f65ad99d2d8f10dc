#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

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

MsgpackWriter& MsgpackWriter::positive(std::uint64_t value) {
  if (value <= 0xff) return head<std::uint8_t>(0xcc, static_cast<std::uint8_t>(value));
  if (value <= 0xffff) return head<std::uint16_t>(0xcd, static_cast<std::uint16_t>(value));
  if (value <= 0xffffffff) return head<std::uint32_t>(0xce, static_cast<std::uint32_t>(value));
  return head<std::uint64_t>(0xcf, value);
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

MsgpackWriter& MsgpackWriter::string(std::string_view value) {
  auto const size = length_of(value.size());
  if (size < 32)
    one(static_cast<std::uint8_t>(0xa0 | size));
  else if (size <= 0xff)
    head<std::uint8_t>(0xd9, static_cast<std::uint8_t>(size));
  else if (size <= 0xffff)
    head<std::uint16_t>(0xda, static_cast<std::uint16_t>(size));
  else
    head<std::uint32_t>(0xdb, size);
  return raw(base::view_of(value));
}

MsgpackWriter& MsgpackWriter::bytes(ByteView value) {
  auto const size = length_of(value.size());
  if (size <= 0xff)
    head<std::uint8_t>(0xc4, static_cast<std::uint8_t>(size));
  else if (size <= 0xffff)
    head<std::uint16_t>(0xc5, static_cast<std::uint16_t>(size));
  else
    head<std::uint32_t>(0xc6, size);
  return raw(value);
}

MsgpackWriter& MsgpackWriter::array(std::size_t elements) {
  auto const count = length_of(elements);
  if (count < 16) return one(static_cast<std::uint8_t>(0x90 | count));
  if (count <= 0xffff) return head<std::uint16_t>(0xdc, static_cast<std::uint16_t>(count));
  return head<std::uint32_t>(0xdd, count);
}

MsgpackWriter& MsgpackWriter::map(std::size_t pairs) {
  auto const count = length_of(pairs);
  if (count < 16) return one(static_cast<std::uint8_t>(0x80 | count));
  if (count <= 0xffff) return head<std::uint16_t>(0xde, static_cast<std::uint16_t>(count));
  return head<std::uint32_t>(0xdf, count);
}

MsgpackWriter& MsgpackWriter::extension(std::int8_t type, ByteView content) {
  auto const size = length_of(content.size());
  if (std::has_single_bit(size) && size <= 16)
    one(static_cast<std::uint8_t>(0xd4 + std::countr_zero(size)));
  else if (size <= 0xff)
    head<std::uint8_t>(0xc7, static_cast<std::uint8_t>(size));
  else if (size <= 0xffff)
    head<std::uint16_t>(0xc8, static_cast<std::uint16_t>(size));
  else
    head<std::uint32_t>(0xc9, size);
  one(static_cast<std::uint8_t>(type));
  return raw(content);
}

MsgpackWriter& MsgpackWriter::raw(ByteView encoded) {
  if (encoded.empty()) return *this;
  std::memcpy(room(encoded.size()), encoded.data(), encoded.size());
  size_ += encoded.size();
  return *this;
}

}  // namespace mutirao::wire
