#include "mutirao/base/utf8.h"

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::base {
namespace {

char32_t fold(char32_t c) noexcept {
  if (c >= 'A' && c <= 'Z') return c + 32;
  if (c < 0xc0) return c;
  if (c <= 0xde) return c == 0xd7 ? c : c + 32;  // Latin-1 without the multiplication sign
  if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) || (c >= 0x14a && c <= 0x177))
    return c | 1;
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return c % 2 != 0 ? c + 1 : c;
  if (c == 0x178) return 0xff;
  if (c == 0x386) return 0x3ac;
  if (c >= 0x388 && c <= 0x38a) return c + 37;
  if (c == 0x38c) return 0x3cc;
  if (c == 0x38e || c == 0x38f) return c + 63;
  if (c >= 0x391 && c <= 0x3ab && c != 0x3a2) return c + 32;
  if (c == 0x3c2) return 0x3c3;  // final sigma
  if (c >= 0x400 && c <= 0x40f) return c + 80;
  if (c >= 0x410 && c <= 0x42f) return c + 32;
  if ((c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
    return c | 1;
  return c;
}

void append_utf8(std::string& out, char32_t c) {
  auto const put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

}  // namespace

std::optional<char32_t> Utf8Reader::next() noexcept {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text_[position_ + i]); };
  MUT_ASSERT(!at_end());
  unsigned char const first = byte(0);
  if (first < 0x80) {
    ++position_;
    return first;
  }
  std::size_t const length = first >= 0xf0 && first < 0xf8   ? 4
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xc2 && first < 0xe0 ? 2
                                                             : 0;
  if (length == 0 || text_.size() - position_ < length) return std::nullopt;
  char32_t c = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    c = c << 6 | (byte(i) & 0x3f);
  }
  bool const overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  if (overlong || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff) return std::nullopt;
  position_ += length;
  return c;
}

bool is_utf8(std::string_view text) noexcept {
  Utf8Reader reader{text};
  while (!reader.at_end())
    if (!reader.next()) return false;
  return true;
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownMax = 80;
  std::string out = "'";
  for (char const c : text.substr(0, kShownMax)) {
    if (c >= ' ' && c < 0x7f && c != '\\') {
      out.push_back(c);
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out + (text.size() > kShownMax ? "...'" : "'");
}

std::string fold_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  Utf8Reader reader{text};
  while (!reader.at_end()) {
    auto const c = reader.next();
    MUT_ASSERT(c.has_value());
    append_utf8(out, fold(*c));
  }
  return out;
}

}  // namespace mutirao::base
