#include "text.h"

#include <algorithm>

#include "mutirao/base/units.h"
#include "mutirao/node/json.h"

namespace mutirao::cli {
namespace {

constexpr std::string_view kEllipsis = "…";

bool starts_code_point(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::string count(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, the other control characters, are C2 80 to C2 9F.
    bool const c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) ++i;
    // U+202A to U+202E and U+2066 to U+2069 turn the direction of writing: `gnp.exe` looks like
    // `exe.png`.
    auto const three = text.substr(i, 3);
    bool const turns =
        (three >= "\u202a" && three <= "\u202e") || (three >= "\u2066" && three <= "\u2069");
    if (turns) {
      out += '?';
      i += 2;
      continue;
    }
    out += byte < 0x20 || byte == 0x7f || c1 ? '?' : text[i];
  }
  return out;
}

std::size_t columns_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(text, starts_code_point));
}

std::string cut_to(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string{text};
  if (columns == 0) return {};
  std::string out;
  std::size_t used = 0;
  for (char const c : text) {
    if (starts_code_point(c) && ++used == columns) break;
    out += c;
  }
  return out + std::string{kEllipsis};
}

std::string padded(std::string_view text, std::size_t columns) {
  auto const used = columns_of(text);
  return std::string{text} + std::string(used < columns ? columns - used : 0, ' ');
}

unsigned percent(std::uint64_t done, std::uint64_t total) noexcept {
  if (total == 0) return 0;
  if (done >= total) return 100;
  return std::min(
      99u, static_cast<unsigned>(static_cast<double>(done) * 100 / static_cast<double>(total)));
}

std::string progress_line(node::Transfer const& transfer) {
  auto const& status = transfer.status;
  auto const name = printable(status.name.empty() ? status.id.substr(0, 12) : status.name);
  auto const done = percent(status.bytes_verified, status.bytes_total);
  auto const pieces = fmt::format("{}/{} pieces", status.pieces_verified, status.pieces_total);
  auto const why = printable(status.why);
  auto const since = base::format_duration(status.since);
  switch (status.phase) {
    case swarm::TorrentPhase::seeding:
      return fmt::format("{} complete {} {} up {}", name, base::format_bytes(status.bytes_total),
                         base::format_rate(status.upload_rate),
                         count(transfer.peers_connected, "peer"));
    case swarm::TorrentPhase::downloading:
      if (status.download_rate > 0) {
        auto line = fmt::format("{} {}% {} {} {}", name, done, pieces,
                                base::format_rate(status.download_rate),
                                count(transfer.peers_connected, "peer"));
        if (status.time_left)
          line += fmt::format(" {} left", base::format_duration(*status.time_left));
        return line;
      }
      return fmt::format("{} {}% {} {}: {} ({})", name, done, pieces,
                         count(transfer.peers_connected, "peer"), why.empty() ? "waiting" : why,
                         since);
    case swarm::TorrentPhase::checking:
      return fmt::format("{} checking {}% {}: {} ({})", name, done, pieces, why, since);
    case swarm::TorrentPhase::metadata:
    case swarm::TorrentPhase::paused:
    case swarm::TorrentPhase::failed:
      break;
  }
  return fmt::format("{} {}: {} ({})", name, node::to_string(status.phase), why, since);
}

std::string hashing_line(std::string_view name, swarm::MakeProgress progress) {
  if (progress.bytes_total == 0) return fmt::format("{} looking at its files", printable(name));
  return fmt::format(
      "{} hashing {}% {}/{}", printable(name), percent(progress.bytes_done, progress.bytes_total),
      base::format_bytes(progress.bytes_done), base::format_bytes(progress.bytes_total));
}

std::string table(std::vector<std::vector<std::string>> const& rows) {
  std::vector<std::size_t> widths;
  for (auto const& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], columns_of(row[i]));
    }
  std::string text;
  for (auto const& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      text += i + 1 == row.size() ? row[i] : padded(row[i], widths[i] + 2);
    // Cells at the end may be empty.
    while (text.ends_with(' ')) text.pop_back();
    text += '\n';
  }
  return text;
}

}  // namespace mutirao::cli
