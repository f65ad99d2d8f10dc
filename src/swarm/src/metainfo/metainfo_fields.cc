#include "metainfo/metainfo_fields.h"

namespace mutirao::swarm {

Result<std::int64_t> read_integer(wire::BencodeValue dictionary, std::string_view key,
                                  std::string_view label) {
  auto const value = dictionary.find(key);
  if (!value) return corrupt("'{}' is missing", label);
  auto const integer = value->integer();
  if (!integer) return corrupt("'{}' is not an integer", label);
  return *integer;
}

Result<std::uint64_t> read_length(wire::BencodeValue dictionary, std::string_view label) {
  std::int64_t const length = MUT_TRY(read_integer(dictionary, "length", label));
  if (length < 0) return corrupt("'{}' is {}; a file is never shorter than 0 bytes", label, length);
  if (static_cast<std::uint64_t>(length) > kSpaceBytesMax)
    return too_large("'{}' is {}; at most {} bytes are accepted", label, length, kSpaceBytesMax);
  return static_cast<std::uint64_t>(length);
}

Result<std::string_view> read_string(wire::BencodeValue dictionary, std::string_view key,
                                     std::string_view label) {
  auto const value = dictionary.find(key);
  if (!value) return corrupt("'{}' is missing", label);
  auto const string = value->string();
  if (!string) return corrupt("'{}' is not a string", label);
  return *string;
}

Result<std::string_view> read_text(wire::BencodeValue dictionary, std::string_view key,
                                   std::string_view label) {
  if (auto const utf8 = dictionary.string(fmt::format("{}.utf-8", key))) return *utf8;
  return read_string(dictionary, key, label);
}

Result<Attributes> read_attributes(wire::BencodeValue dictionary, std::string_view label) {
  auto const value = dictionary.find("attr");
  if (!value) return Attributes{};
  auto const text = value->string();
  if (!text) return corrupt("'{}' is not a string", label);
  return Attributes{.pad = text->contains('p'),
                    .executable = text->contains('x'),
                    .symlink = text->contains('l')};
}

}  // namespace mutirao::swarm
