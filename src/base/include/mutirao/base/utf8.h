#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mutirao::base {

/// Decodes UTF-8 strictly (RFC 3629): overlong forms, surrogates and what lies above U+10FFFF are
/// errors, since each has been used to write a forbidden character in a way that a check misses.
class Utf8Reader {
 public:
  explicit Utf8Reader(std::string_view text) noexcept : text_{text} {}
  [[nodiscard]] bool at_end() const noexcept { return position_ == text_.size(); }
  [[nodiscard]] std::size_t position() const noexcept { return position_; }
  /// The next character; nothing when the bytes at position() are not one.
  [[nodiscard]] std::optional<char32_t> next() noexcept;

 private:
  std::string_view text_;
  std::size_t position_ = 0;
};

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// Text of a stranger for an error message: quoted, cut at 80 bytes, everything but printable ASCII
/// escaped.
[[nodiscard]] std::string quoted(std::string_view text);

/// The same text for comparisons that ignore case. Covers ASCII, Latin-1, Latin Extended-A, Greek
/// and Cyrillic one character to one, as case-insensitive file systems do; `text` is valid UTF-8.
[[nodiscard]] std::string fold_case(std::string_view text);

}  // namespace mutirao::base
