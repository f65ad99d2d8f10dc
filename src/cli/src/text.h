#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutirao/node/library.h"

/// How things look to a person. Pure.
namespace mutirao::cli {

/// Text from elsewhere, made safe for a terminal: control characters become '?', so that a name
/// can't move the cursor or colour the screen.
[[nodiscard]] std::string printable(std::string_view text);

/// Columns that UTF-8 text takes, one a code point.
[[nodiscard]] std::size_t columns_of(std::string_view text) noexcept;
/// At most `columns` columns, with "…" in place of what is cut from the end.
[[nodiscard]] std::string cut_to(std::string_view text, std::size_t columns);
/// Filled up with spaces.
[[nodiscard]] std::string padded(std::string_view text, std::size_t columns);

/// "debian.iso 61% 214/351 pieces 48.2 MB/s 3 peers 12 s left", or what it waits for and since
/// when.
[[nodiscard]] std::string progress_line(node::Transfer const& transfer);
[[nodiscard]] std::string hashing_line(std::string_view name, swarm::MakeProgress progress);

/// Whole percent that never says 100 before everything is there.
[[nodiscard]] unsigned percent(std::uint64_t done, std::uint64_t total) noexcept;

/// Columns of a table, as wide as their widest cell; the last one is not filled up.
[[nodiscard]] std::string table(std::vector<std::vector<std::string>> const& rows);

}  // namespace mutirao::cli
