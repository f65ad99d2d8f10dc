#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "mutirao/base/bytes.h"
#include "mutirao/base/result.h"

/// MessagePack (github.com/msgpack/msgpack/blob/master/spec.md): values that describe themselves,
/// so that whoever passes a message on can read it without knowing what it is for.
namespace mutirao::wire {

enum class MsgpackKind : std::uint8_t {
  nil,
  boolean,
  integer,
  number,
  string,
  bytes,
  array,
  map,
  extension,
};

/// Reads values one after the other, in the order in which they lie there.
///
/// Decoders that build a tree first have been made to allocate gigabytes by five bytes that
/// announce an array, and to overflow their stacks by arrays in arrays. This one builds nothing: it
/// is a cursor, what it gives points into the input, and a count is believed only while the input
/// has a byte for each element.
///
/// A read that finds something else than it asks for, or the end of the input, fails the reader:
/// this and all further reads give zero, empty or false, and finish() tells the first failure
/// (Fault::corrupt, with the byte where it happened). So a whole message is read straight down and
/// checked once; nothing that was read counts before that check.
///
/// Any way to write a value is read, as the format demands, not the shortest alone. The input must
/// outlive the reader. One thread.
class MsgpackReader {
 public:
  static constexpr std::size_t kDepthMax = 64;  ///< containers inside each other, for skip()

  explicit MsgpackReader(ByteView input) noexcept
      : begin_{input.data()}, at_{input.data()}, end_{input.data() + input.size()} {}

  /// What comes next; nothing at the end, after a failure, and for the byte that means nothing.
  [[nodiscard]] std::optional<MsgpackKind> peek() const noexcept;

  void nil() noexcept;
  [[nodiscard]] bool boolean() noexcept;
  /// Fails when the value does not fit.
  template <std::integral T>
  [[nodiscard]] T integer() noexcept {
    if (at_ != end_ && *at_ < 0x80) return static_cast<T>(*at_++);
    auto const* const start = at_;
    auto const value = wide_integer();
    if (value.negative ? !std::in_range<T>(static_cast<std::int64_t>(value.bits))
                       : !std::in_range<T>(value.bits)) {
      fail_at(start, "an integer out of range");
      return 0;
    }
    return static_cast<T>(value.bits);
  }
  /// A floating-point number of either size, or an integer.
  [[nodiscard]] double number() noexcept;
  /// Valid UTF-8.
  [[nodiscard]] std::string_view string() noexcept;
  /// Bytes; a string is taken as well, for the format did not always have both.
  [[nodiscard]] ByteView bytes() noexcept;
  /// The number of elements that follow, for the caller to read; at most one for each byte left.
  [[nodiscard]] std::size_t array() noexcept {
    if (at_ == end_ || (*at_ & 0xf0u) != 0x90 || (*at_ & 0x0f) >= end_ - at_) return any_array();
    return *at_++ & 0x0fu;
  }
  /// The number of pairs of a key and a value that follow.
  [[nodiscard]] std::size_t map() noexcept;
  struct Extension {
    std::int8_t type = 0;
    ByteView content;
  };
  [[nodiscard]] Extension extension() noexcept;

  /// The encoding of the next value with all that it holds, checked whole; fails where it lies
  /// deeper than kDepthMax. No recursion.
  ByteView skip() noexcept;

  [[nodiscard]] bool failed() const noexcept { return failure_ != nullptr; }
  [[nodiscard]] bool at_end() const noexcept { return at_ == end_; }
  /// What was not read yet.
  [[nodiscard]] ByteView rest() const noexcept { return {at_, end_}; }
  /// The first failure; also when something is left behind the last value read.
  [[nodiscard]] Result<void> finish() const;

 private:
  struct Wide {
    std::uint64_t bits = 0;
    bool negative = false;
  };
  struct Head {
    MsgpackKind kind = MsgpackKind::nil;
    std::uint64_t value = 0;  // of an integer, of a length or of a count; the bits of a number
    bool negative = false;
    bool is_float32 = false;
    std::int8_t extension_type = 0;
  };
  /// One that takes more than a byte. The usual case, with more behind it, needs no branch a size.
  [[nodiscard]] Wide wide_integer() noexcept {
    auto const type = at_ != end_ ? *at_ : std::uint8_t{0};
    if (type < 0xcc || type > 0xd3 || end_ - at_ < 1 + 8) return any_integer();
    auto const size = 1 << (type & 3);
    auto const unused = 64 - 8 * size;
    auto const bits = base::load_be<std::uint64_t>({at_ + 1, 8});
    at_ += 1 + size;
    if (type < 0xd0) return {bits >> unused, false};
    auto const value = static_cast<std::int64_t>(bits) >> unused;
    return {static_cast<std::uint64_t>(value), value < 0};
  }
  [[nodiscard]] Wide any_integer() noexcept;
  [[nodiscard]] Wide sized_integer(std::uint8_t type) noexcept;
  [[nodiscard]] std::optional<Head> head() noexcept;
  /// The next head when it is of this kind; fails otherwise.
  [[nodiscard]] std::optional<Head> head_of(MsgpackKind kind, char const* otherwise) noexcept;
  [[nodiscard]] std::size_t any_array() noexcept;
  [[nodiscard]] std::optional<ByteView> text() noexcept;
  [[nodiscard]] ByteView content(std::uint64_t size) noexcept;
  [[nodiscard]] std::optional<std::uint64_t> big_endian(std::size_t bytes) noexcept;
  void fail_at(std::uint8_t const* where, char const* what) noexcept;

  std::uint8_t const* begin_;
  std::uint8_t const* at_;
  std::uint8_t const* end_;
  char const* failure_ = nullptr;  // a literal
  std::uint8_t const* failed_at_ = nullptr;
};

/// Writes values in their shortest form, one after the other.
///
/// The buffer is the writer's own and stays when it is cleared, so that a writer that is used again
/// allocates nothing. That containers hold as many values as they announce is the caller's to keep.
class MsgpackWriter {
 public:
  MsgpackWriter() = default;
  MsgpackWriter(MsgpackWriter&& other) noexcept
      : buffer_{std::move(other.buffer_)},
        size_{std::exchange(other.size_, 0)},
        capacity_{std::exchange(other.capacity_, 0)},
        refer_min_{other.refer_min_},
        references_{std::move(other.references_)} {}
  MsgpackWriter& operator=(MsgpackWriter&& other) noexcept {
    buffer_ = std::move(other.buffer_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    refer_min_ = other.refer_min_;
    references_ = std::move(other.references_);
    return *this;
  }

  MsgpackWriter& nil() { return one(0xc0); }
  MsgpackWriter& boolean(bool value) { return one(value ? 0xc3 : 0xc2); }
  template <std::integral T>
  MsgpackWriter& integer(T value) {
    if (value >= 0 && value < 0x80) return one(static_cast<std::uint8_t>(value));
    if (value < 0) return negative(static_cast<std::int64_t>(value));
    return positive(static_cast<std::uint64_t>(value));
  }
  /// An array of them. Faster than one by one: where the next goes stays in a register.
  template <std::integral T>
  MsgpackWriter& integers(std::span<T const> values) {
    array(values.size());
    auto* at = room(kHeadBytesMax * values.size());
    for (T const value : values) {
      if (value >= 0 && value < 0x80) {
        *at++ = static_cast<std::uint8_t>(value);
      } else if (value > 0) {
        at = put_positive(at, static_cast<std::uint64_t>(value));
      } else {
        size_ = static_cast<std::size_t>(at - buffer_.get());
        negative(static_cast<std::int64_t>(value));
        at = buffer_.get() + size_;
      }
    }
    size_ = static_cast<std::size_t>(at - buffer_.get());
    return *this;
  }
  MsgpackWriter& number(double value);
  /// `value` is valid UTF-8 and below 4 GiB, as are the lengths and counts of all others.
  MsgpackWriter& string(std::string_view value);
  MsgpackWriter& bytes(ByteView value);
  MsgpackWriter& array(std::size_t elements);
  MsgpackWriter& map(std::size_t pairs);
  MsgpackWriter& extension(std::int8_t type, ByteView content);
  /// An encoding made elsewhere, as it is.
  MsgpackWriter& raw(ByteView encoded);

  /// Content of that size or more is not copied from now on but referred to: whoever sends the
  /// encoding gathers it (writev), and what was referred to lives until then.
  void refer_from(std::size_t bytes) noexcept { refer_min_ = bytes; }
  struct Reference {
    std::size_t at = 0;  ///< in written(): it belongs before that byte
    ByteView content;
  };
  [[nodiscard]] std::vector<Reference> const& references() const noexcept { return references_; }
  /// All of the encoding, in order.
  [[nodiscard]] std::vector<ByteView> gathered() const;

  /// Without what is referred to.
  [[nodiscard]] ByteView written() const noexcept { return {buffer_.get(), size_}; }
  void clear() noexcept {
    size_ = 0;
    references_.clear();
  }
  /// Forgets what was written after that byte.
  void truncate(std::size_t bytes) noexcept { size_ = bytes; }
  /// For what is known only after what follows it, such as a length.
  [[nodiscard]] MutableBytes written_at(std::size_t offset, std::size_t bytes) noexcept {
    return {buffer_.get() + offset, bytes};
  }

 private:
  static constexpr std::size_t kHeadBytesMax = 9;

  /// Room for `bytes` more.
  std::uint8_t* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return buffer_.get() + size_;
  }
  MsgpackWriter& one(std::uint8_t byte) {
    *room(kHeadBytesMax) = byte;
    ++size_;
    return *this;
  }
  template <std::unsigned_integral T>
  MsgpackWriter& head(std::uint8_t type, T value) {
    auto* const at = room(kHeadBytesMax);
    at[0] = type;
    base::store_be<T>({at + 1, sizeof(T)}, value);
    size_ += 1 + sizeof(T);
    return *this;
  }
  /// `type` has the value in one byte behind it, the two types after it have it in two and in four.
  MsgpackWriter& short_head(std::uint8_t type, std::uint32_t value);
  /// `few` is the type that holds a count below 16, `type` has it in two bytes, the next one in
  /// four.
  MsgpackWriter& container(std::uint8_t few, std::uint8_t type, std::size_t values);
  /// At `at` there is room for kHeadBytesMax; returns where it ends. One, two, four or eight bytes,
  /// the first of eight that are written: which of them a number takes can't be guessed, and there
  /// would be a branch for each size.
  static std::uint8_t* put_positive(std::uint8_t* at, std::uint64_t value) noexcept {
    auto const size_log2 = static_cast<unsigned>(value > 0xff) +
                           static_cast<unsigned>(value > 0xffff) +
                           static_cast<unsigned>(value > 0xffff'ffff);
    auto const size = std::size_t{1} << size_log2;
    at[0] = static_cast<std::uint8_t>(0xcc + size_log2);
    base::store_be<std::uint64_t>({at + 1, 8}, value << (64 - 8 * size));
    return at + 1 + size;
  }
  MsgpackWriter& positive(std::uint64_t value) {
    size_ = static_cast<std::size_t>(put_positive(room(kHeadBytesMax), value) - buffer_.get());
    return *this;
  }
  MsgpackWriter& negative(std::int64_t value);
  void grow(std::size_t bytes);

  std::unique_ptr<std::uint8_t[]> buffer_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::size_t refer_min_ = SIZE_MAX;
  std::vector<Reference> references_;
};

}  // namespace mutirao::wire
