#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "mutirao/base/units.h"

#include "site/site_files.h"
#include "site/site_html.h"
#include "web_seed/web_seed_url.h"

namespace mutirao::swarm {
namespace {

constexpr std::size_t kEntriesPerPage = 1000;

struct Entry {
  bool folder = false;
  std::uint64_t bytes = 0;
};

/// What lies directly in the folder; folders with the bytes below them.
std::map<std::string, Entry> entries_of(Metainfo const& metainfo, std::string_view folder) {
  std::map<std::string, Entry> entries;
  for (auto const& file : metainfo.files()) {
    if (file.pad || file.path.size() <= folder.size() + 1 || !file.path.starts_with(folder) ||
        file.path[folder.size()] != '/')
      continue;
    auto const below = std::string_view{file.path}.substr(folder.size() + 1);
    auto const slash = below.find('/');
    auto& entry = entries[std::string{below.substr(0, slash)}];
    entry.folder = slash != std::string_view::npos;
    entry.bytes += file.length;
  }
  return entries;
}

std::string pager(std::string const& here, std::size_t page, std::size_t pages,
                  SiteText const& text) {
  if (pages < 2) return {};
  std::string out = fmt::format("<nav class=\"pager\"><span>{}</span>",
                                fmt::format(fmt::runtime(text.page_of), page + 1, pages));
  if (page > 0)
    out += fmt::format(" <a rel=\"prev\" href=\"{}?page={}\">{}</a>", here, page, text.previous);
  if (page + 1 < pages)
    out += fmt::format(" <a rel=\"next\" href=\"{}?page={}\">{}</a>", here, page + 2, text.next);
  return out + "</nav>\n";
}

}  // namespace

std::string site_folder_page(SitePlace const& place, std::size_t page, SiteText const& text) {
  auto const entries = entries_of(*place.metainfo, place.folder);
  auto const pages =
      std::max<std::size_t>(1, (entries.size() + kEntriesPerPage - 1) / kEntriesPerPage);
  page = std::min(page, pages - 1);
  auto const here = escape_html(place.prefix + percent_encode_path(place.folder) + "/");
  auto const slash = place.folder.rfind('/');
  auto const parent =
      slash == std::string::npos
          ? std::string{"/"}
          : escape_html(place.prefix + percent_encode_path(place.folder.substr(0, slash)) + "/");

  std::string rows;
  auto entry = std::next(entries.begin(), static_cast<std::ptrdiff_t>(page * kEntriesPerPage));
  for (std::size_t i = 0; i < kEntriesPerPage && entry != entries.end(); ++i, ++entry) {
    auto const& [name, what] = *entry;
    auto const slash_behind = what.folder ? "/" : "";
    rows += fmt::format(
        "<tr><td><a href=\"{}{}{}\"><bdi>{}</bdi>{}</a></td><td class=\"number\">{}</td></tr>\n",
        here, escape_html(percent_encode_path(name)), slash_behind, escape_html(name), slash_behind,
        text.figure(base::format_bytes(what.bytes)));
  }
  auto const main = fmt::format(
      "<div class=\"intro\"><h1><bdi>{}</bdi></h1><p><a href=\"{}\">↑ {}</a></p></div>\n"
      "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" "
      "class=\"number\">{}</th></tr></thead><tbody>\n{}</tbody></table></div>\n{}",
      escape_html(place.folder), parent, text.parent_folder, text.name, text.size, rows,
      pager(here, page, pages, text));
  return site_page_frame(text, {.title = place.folder,
                                .main = main,
                                .here = place.prefix + percent_encode_path(place.folder) + "/"});
}

}  // namespace mutirao::swarm
