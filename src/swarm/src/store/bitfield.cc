#include "mutirao/swarm/bitfield.h"

#include <algorithm>

#include <fmt/format.h>

namespace mutirao::swarm {
namespace {

/// The wire counts from the highest bit of a byte, we from the lowest of a word.
std::uint64_t reverse_bits_in_bytes(std::uint64_t word) noexcept {
  word = (word >> 1 & 0x5555'5555'5555'5555) | (word & 0x5555'5555'5555'5555) << 1;
  word = (word >> 2 & 0x3333'3333'3333'3333) | (word & 0x3333'3333'3333'3333) << 2;
  return (word >> 4 & 0x0f0f'0f0f'0f0f'0f0f) | (word & 0x0f0f'0f0f'0f0f'0f0f) << 4;
}

}  // namespace

void Bitfield::set_all() noexcept {
  std::ranges::fill(words_, ~std::uint64_t{0});
  if (size_ % 64 != 0) words_.back() = (std::uint64_t{1} << (size_ % 64)) - 1;
  count_ = size_;
}

void Bitfield::reset_all() noexcept {
  std::ranges::fill(words_, std::uint64_t{0});
  count_ = 0;
}

Result<Bitfield> Bitfield::from_wire(ByteView bytes, std::size_t size) {
  std::size_t const expected = (size + 7) / 8;
  if (bytes.size() != expected)
    return fail(Fault::corrupt,
                fmt::format("a bitfield of {} bytes came for {} pieces, which take {}",
                            bytes.size(), size, expected));
  Bitfield field{size};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    field.words_[i / 8] |= std::uint64_t{bytes[i]} << (i % 8 * 8);
  for (std::uint64_t& word : field.words_) {
    word = reverse_bits_in_bytes(word);
    field.count_ += static_cast<std::size_t>(std::popcount(word));
  }
  if (size % 64 != 0 && field.words_.back() >> (size % 64) != 0)
    return fail(Fault::corrupt, fmt::format("a bitfield for {} pieces has spare bits set", size));
  return field;
}

Bytes Bitfield::to_wire() const {
  Bytes bytes((size_ + 7) / 8);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::uint64_t const word = reverse_bits_in_bytes(words_[i / 8]);
    bytes[i] = static_cast<std::uint8_t>(word >> (i % 8 * 8));
  }
  return bytes;
}

}  // namespace mutirao::swarm
