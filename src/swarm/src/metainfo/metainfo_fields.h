#pragma once

#include <fmt/format.h>

#include "mutirao/base/result.h"
#include "mutirao/swarm/metainfo.h"
#include "mutirao/wire/bencode.h"

/// Reads fields of a .torrent; each refusal names the field (`label`, such as "files[3].length")
/// and the value.
namespace mutirao::swarm {

/// No torrent is longer; sums of lengths below it can't overflow.
inline constexpr std::uint64_t kSpaceBytesMax = std::uint64_t{1} << 50;

template <class... Args>
[[nodiscard]] std::unexpected<Error> corrupt(fmt::format_string<Args...> format, Args&&... args) {
  return fail(Fault::corrupt, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
[[nodiscard]] std::unexpected<Error> too_large(fmt::format_string<Args...> format, Args&&... args) {
  return fail(Fault::exhausted, fmt::format(format, std::forward<Args>(args)...));
}

[[nodiscard]] Result<std::int64_t> read_integer(wire::BencodeValue dictionary, std::string_view key,
                                                std::string_view label);
/// Of a file: not negative, not above kSpaceBytesMax.
[[nodiscard]] Result<std::uint64_t> read_length(wire::BencodeValue dictionary,
                                                std::string_view label);
[[nodiscard]] Result<std::string_view> read_string(wire::BencodeValue dictionary,
                                                   std::string_view key, std::string_view label);

/// The text of `key`, or of `key.utf-8`, which old programs wrote beside a text in another
/// encoding.
[[nodiscard]] Result<std::string_view> read_text(wire::BencodeValue dictionary,
                                                 std::string_view key, std::string_view label);

/// BEP 47.
struct Attributes {
  bool pad = false;
  bool executable = false;
  bool symlink = false;
};
[[nodiscard]] Result<Attributes> read_attributes(wire::BencodeValue dictionary,
                                                 std::string_view label);

/// The files of a torrent, one after another in its space.
struct FileList {
  std::vector<TorrentFile> files;
  std::uint64_t end = 0;
};
[[nodiscard]] Result<FileList> read_v1_files(wire::BencodeValue info, std::string const& name);
[[nodiscard]] Result<FileList> read_v2_files(wire::BencodeValue info, std::string const& name,
                                             std::uint32_t piece_length);

}  // namespace mutirao::swarm
