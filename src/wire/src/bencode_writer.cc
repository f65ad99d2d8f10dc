#include <array>
#include <charconv>

#include "mutirao/base/check.h"
#include "mutirao/wire/bencode.h"

namespace mutirao::wire {
namespace {

void append(Bytes& out, std::string_view text) {
  auto const bytes = base::view_of(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_decimal(Bytes& out, auto value) {
  std::array<char, 24> digits;
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  append(out, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

}  // namespace

void BencodeWriter::before_value() {
  if (open_.empty()) {
    MUT_ASSERT(out_.empty());
    return;
  }
  auto& open = open_.back();
  MUT_ASSERT(!open.dictionary || open.key_waits);
  open.key_waits = false;
}

void BencodeWriter::append_string(std::string_view value) {
  append_decimal(out_, value.size());
  out_.push_back(':');
  append(out_, value);
}

BencodeWriter& BencodeWriter::integer(std::int64_t value) {
  before_value();
  out_.push_back('i');
  append_decimal(out_, value);
  out_.push_back('e');
  return *this;
}

BencodeWriter& BencodeWriter::string(std::string_view value) {
  before_value();
  append_string(value);
  return *this;
}

BencodeWriter& BencodeWriter::bytes(ByteView value) { return string(base::text_of(value)); }

BencodeWriter& BencodeWriter::begin_list() {
  before_value();
  out_.push_back('l');
  open_.push_back({});
  return *this;
}

BencodeWriter& BencodeWriter::begin_dictionary() {
  before_value();
  out_.push_back('d');
  open_.push_back({.dictionary = true});
  return *this;
}

BencodeWriter& BencodeWriter::key(std::string_view key) {
  MUT_ASSERT(!open_.empty() && open_.back().dictionary && !open_.back().key_waits);
  auto& open = open_.back();
  if (open.any_key) MUT_ASSERT(base::text_of(out_).substr(open.last_key, open.last_key_size) < key);
  append_string(key);
  open.any_key = true;
  open.key_waits = true;
  open.last_key = out_.size() - key.size();
  open.last_key_size = key.size();
  return *this;
}

BencodeWriter& BencodeWriter::raw(ByteView encoded) {
  before_value();
  append(out_, base::text_of(encoded));
  return *this;
}

BencodeWriter& BencodeWriter::end() {
  MUT_ASSERT(!open_.empty() && !open_.back().key_waits);
  open_.pop_back();
  out_.push_back('e');
  return *this;
}

Bytes BencodeWriter::finish() && {
  MUT_ASSERT(open_.empty() && !out_.empty());
  return std::move(out_);
}

}  // namespace mutirao::wire
