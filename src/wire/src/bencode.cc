#include "mutirao/wire/bencode.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "mutirao/base/check.h"

namespace mutirao::wire {
namespace {

constexpr std::uint32_t kTokensMost = (1u << 29) - 1;  // what Token::header can count
constexpr bool is_digit(std::uint8_t byte) noexcept { return byte >= '0' && byte <= '9'; }

}  // namespace

/// One pass over the input. The open containers are a vector, so that depth costs no stack.
class BencodeDecoder {
 public:
  BencodeDecoder(BencodeDocument& document, BencodeLimits const& limits)
      : document_{document}, input_{document.input_}, limits_{limits} {}

  /// Decodes one value and returns where it ends.
  Result<std::size_t> run() {
    if (input_.size() >
        std::min<std::size_t>(limits_.bytes_max, std::numeric_limits<std::uint32_t>::max()))
      return fail(Fault::exhausted, fmt::format("bencode: {} bytes, more than the {} allowed",
                                                input_.size(), limits_.bytes_max));
    // Roomy at once: pages that no token reaches are never touched, and growing by copies costs
    // more than the decoding itself.
    document_.tokens_.reserve(std::min(input_.size() / 8 + 1, limits_.tokens_max));
    do {
      if (!step()) return std::unexpected{std::move(error_)};
    } while (!open_.empty());
    return at_;
  }

 private:
  using Kind = BencodeValue::Kind;
  struct Open {
    std::uint32_t token;
    std::uint32_t values = 0;
    std::uint32_t last_key = 0;  // 0: none yet, for token 0 is never a key
    bool dictionary;
    bool wants_value = false;
    bool sorted = true;
  };

  /// One token, or the end of a container.
  bool step() {
    if (at_ >= input_.size()) return broken("ends in the middle", at_);
    auto const byte = input_[at_];
    if (!open_.empty()) {
      auto& open = open_.back();
      if (byte == 'e') return close();
      if (open.dictionary && !open.wants_value) return key();
      ++open.values;
      open.wants_value = false;
    }
    if (is_digit(byte)) return string();
    switch (byte) {
      case 'i':
        return integer();
      case 'l':
        return open(Kind::list);
      case 'd':
        return open(Kind::dictionary);
      default:
        return broken("no value starts with this byte", at_);
    }
  }

  bool key() {
    auto const start = at_;
    if (!is_digit(input_[at_])) return broken("a key that is no string", start);
    if (!string()) return false;
    auto const token = static_cast<std::uint32_t>(document_.tokens_.size() - 1);
    auto& open = open_.back();
    open.wants_value = true;
    if (open.last_key != 0) {
      auto const order = content(open.last_key).compare(content(token));
      if (order == 0) return broken("a repeated key", start);
      if (order > 0 && limits_.sorted_keys) return broken("keys out of order", start);
      if (order > 0) open.sorted = false;
    }
    open.last_key = token;
    return true;
  }

  bool string() {
    auto const start = at_;
    std::size_t length = 0;
    while (at_ < input_.size() && is_digit(input_[at_])) {
      if (at_ > start && length == 0) return broken("a length with a leading zero", start);
      length = length * 10 + (input_[at_++] - '0');
      // Never overflows: the input is shorter than 4 GiB, and a longer length stops here.
      if (length > input_.size()) return broken("a string longer than the input", start);
    }
    if (at_ >= input_.size()) return broken("ends in the middle of a length", start);
    if (input_[at_] != ':') return broken("a length without its colon", start);
    ++at_;
    if (length > input_.size() - at_) return broken("a string longer than the input", start);
    auto const header = at_ - start;
    at_ += length;
    return append(Kind::string, start, header);
  }

  bool integer() {
    auto const start = at_++;
    auto const negative = at_ < input_.size() && input_[at_] == '-';
    if (negative) ++at_;
    auto const first = at_;
    while (at_ < input_.size() && is_digit(input_[at_])) ++at_;
    if (at_ >= input_.size()) return broken("ends in the middle of an integer", start);
    if (at_ == first || input_[at_] != 'e')
      return broken("an integer with something else in it", start);
    if (input_[first] == '0' && (negative || at_ - first > 1))
      return broken("an integer with a leading zero", start);
    if (!fits(start + 1, at_)) return broken("an integer beyond 64 bits", start);
    ++at_;
    return append(Kind::integer, start, 0);
  }

  bool open(Kind kind) {
    if (open_.size() >= limits_.depth_max)
      return stop(Fault::exhausted,
                  fmt::format("bencode: nested deeper than {} at byte {}", limits_.depth_max, at_));
    auto const start = at_++;
    if (!append(kind, start, 0)) return false;
    open_.push_back({.token = static_cast<std::uint32_t>(document_.tokens_.size() - 1),
                     .dictionary = kind == Kind::dictionary});
    return true;
  }

  bool close() {
    auto const& open = open_.back();
    if (open.wants_value) return broken("a key without its value", at_);
    if (!open.sorted && !refuse_repeated_keys(open.token)) return false;
    ++at_;
    auto& token = document_.tokens_[open.token];
    token.end = static_cast<std::uint32_t>(at_);
    token.next = static_cast<std::uint32_t>(document_.tokens_.size());
    token.header = open.values & kTokensMost;
    open_.pop_back();
    return true;
  }

  /// Only for a dictionary that was not sorted: neighbours alone don't show a repetition there.
  bool refuse_repeated_keys(std::uint32_t dictionary) {
    std::vector<std::string_view> keys;
    auto const end = static_cast<std::uint32_t>(document_.tokens_.size());
    for (auto token = dictionary + 1; token < end; token = document_.tokens_[token + 1].next)
      keys.push_back(content(token));
    std::ranges::sort(keys);
    if (std::ranges::adjacent_find(keys) != keys.end())
      return broken("a repeated key", document_.tokens_[dictionary].offset);
    return true;
  }

  bool append(Kind kind, std::size_t start, std::size_t header) {
    auto& tokens = document_.tokens_;
    if (tokens.size() >= std::min<std::size_t>(limits_.tokens_max, kTokensMost))
      return stop(Fault::exhausted,
                  fmt::format("bencode: more than {} values and keys", limits_.tokens_max));
    tokens.push_back({.offset = static_cast<std::uint32_t>(start),
                      .end = static_cast<std::uint32_t>(at_),
                      .next = static_cast<std::uint32_t>(tokens.size() + 1),
                      .header = static_cast<std::uint32_t>(header) & kTokensMost,
                      .kind = static_cast<std::uint32_t>(kind) & 7});
    return true;
  }

  [[nodiscard]] std::string_view content(std::uint32_t index) const {
    auto const& token = document_.tokens_[index];
    auto const first = token.offset + token.header;
    return base::text_of(input_.subspan(first, token.end - first));
  }

  [[nodiscard]] bool fits(std::size_t first, std::size_t end) const {
    std::int64_t value;
    auto const text = base::text_of(input_.subspan(first, end - first));
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
  }

  bool broken(std::string_view why, std::size_t where) {
    return stop(Fault::corrupt,
                fmt::format("bencode: {} at byte {} of {}", why, where, input_.size()));
  }

  // A plain bool on the way down: a Result for each of a million tokens costs more than the
  // decoding.
  bool stop(Fault fault, std::string what) {
    error_ = {fault, std::move(what), {}};
    return false;
  }

  BencodeDocument& document_;
  ByteView input_;
  BencodeLimits const& limits_;
  std::size_t at_ = 0;
  std::vector<Open> open_;
  Error error_{Fault::corrupt, {}, {}};
};

Result<BencodeDocument> BencodeDocument::decode(ByteView input, BencodeLimits const& limits) {
  BencodeDocument document;
  document.input_ = input;
  auto const end = MUT_TRY(BencodeDecoder{document, limits}.run());
  if (end != input.size() && !limits.allow_rest)
    return fail(Fault::corrupt,
                fmt::format("bencode: {} bytes after the value", input.size() - end));
  return document;
}

ByteView BencodeDocument::rest() const noexcept { return input_.subspan(tokens_.front().end); }

BencodeValue::Kind BencodeValue::kind() const noexcept {
  return static_cast<Kind>(document_->tokens_[token_].kind);
}

std::optional<std::int64_t> BencodeValue::integer() const noexcept {
  if (kind() != Kind::integer) return std::nullopt;
  auto const text = base::text_of(encoded());
  std::int64_t value = 0;
  std::from_chars(text.data() + 1, text.data() + text.size() - 1, value);
  return value;
}

std::optional<std::string_view> BencodeValue::string() const noexcept {
  if (kind() != Kind::string) return std::nullopt;
  return base::text_of(encoded()).substr(document_->tokens_[token_].header);
}

std::size_t BencodeValue::size() const noexcept {
  return is_list() || is_dictionary() ? document_->tokens_[token_].header : 0;
}

std::optional<BencodeValue> BencodeValue::find(std::string_view key) const noexcept {
  if (!is_dictionary()) return std::nullopt;
  for (auto const [name, value] : *this)
    if (name == key) return value;
  return std::nullopt;
}

std::optional<std::int64_t> BencodeValue::integer(std::string_view key) const noexcept {
  auto const value = find(key);
  return value ? value->integer() : std::nullopt;
}

std::optional<std::string_view> BencodeValue::string(std::string_view key) const noexcept {
  auto const value = find(key);
  return value ? value->string() : std::nullopt;
}

ByteView BencodeValue::encoded() const noexcept {
  auto const& token = document_->tokens_[token_];
  return document_->input_.subspan(token.offset, token.end - token.offset);
}

BencodeValue::Iterator BencodeValue::begin() const noexcept {
  Iterator iterator;
  iterator.document_ = document_;
  iterator.dictionary_ = is_dictionary();
  iterator.token_ = token_ + 1;
  return iterator;
}

BencodeValue::Iterator BencodeValue::end() const noexcept {
  Iterator iterator;
  iterator.document_ = document_;
  // For an integer or a string this is token_ + 1 too, so that walking one ends at once.
  iterator.token_ = document_->tokens_[token_].next;
  return iterator;
}

BencodeValue::Iterator::Entry BencodeValue::Iterator::operator*() const noexcept {
  if (!dictionary_) return {.key = {}, .value = BencodeValue{document_, token_}};
  return {.key = *BencodeValue{document_, token_}.string(),
          .value = BencodeValue{document_, token_ + 1}};
}

BencodeValue::Iterator& BencodeValue::Iterator::operator++() noexcept {
  token_ = document_->tokens_[dictionary_ ? token_ + 1 : token_].next;
  return *this;
}

}  // namespace mutirao::wire
