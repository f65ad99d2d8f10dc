#include "site/site_page.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "mutirao/base/units.h"

#include "site/site_html.h"
#include "web_seed/web_seed_url.h"

namespace mutirao::swarm {
namespace {

constexpr std::size_t kFilesShownMax = 20;

struct Figure {
  std::string_view key;  ///< what the script fills in again
  std::string_view label;
  std::string value;
};

std::string figure_list(std::string_view css, std::vector<Figure> const& figures) {
  std::string out = fmt::format("<dl class=\"{}\">", css);
  for (auto const& figure : figures) {
    auto const mark =
        figure.key.empty() ? std::string{} : fmt::format(" data-figure=\"{}\"", figure.key);
    out += fmt::format("<div><dt>{}</dt><dd{}>{}</dd></div>", figure.label, mark,
                       escape_html(figure.value));
  }
  return out + "</dl>\n";
}

std::string bytes(std::uint64_t count, SiteText const& text) {
  return text.figure(base::format_bytes(count));
}
std::string rate(double per_second, SiteText const& text) {
  return text.figure(base::format_rate(per_second));
}

std::size_t file_count(Metainfo const& metainfo) {
  return std::ranges::count(metainfo.files(), false, &TorrentFile::pad);
}

std::string summary(std::vector<SiteItem> const& items, SiteText const& text) {
  std::uint64_t total = 0;
  std::uint64_t uploaded = 0;
  std::uint32_t peers = 0;
  double upload_rate = 0;
  for (auto const& item : items) {
    total += item.status.bytes_total;
    uploaded += item.status.uploaded;
    peers += item.seeds + item.leeches;
    upload_rate += item.status.upload_rate;
  }
  return figure_list("totals", {{"", text.shared, std::to_string(items.size())},
                                {"", text.in_total, bytes(total, text)},
                                {"peers", text.peers_now, std::to_string(peers)},
                                {"upload_rate", text.delivering, rate(upload_rate, text)},
                                {"uploaded", text.delivered, bytes(uploaded, text)}});
}

std::string_view phase_class(TorrentPhase phase) {
  switch (phase) {
    case TorrentPhase::seeding:
      return "whole";
    case TorrentPhase::failed:
      return "failed";
    case TorrentPhase::paused:
      return "paused";
    default:
      return "busy";
  }
}

std::string state_line(SiteItem const& item, SiteText const& text) {
  auto const& status = item.status;
  std::string out = fmt::format(
      "<p class=\"state\"><span class=\"phase {}\" data-figure=\"phase\">{}</span> <span "
      "class=\"why\" lang=\"en\" data-figure=\"why\">{}</span></p>\n",
      phase_class(status.phase), text.phase(status.phase), escape_html(status.why));
  if (!status.mend.empty())
    out += fmt::format("<p class=\"mend\"><b>{}</b> <span lang=\"en\">{}</span></p>\n",
                       text.what_to_do, escape_html(status.mend));
  return out;
}

std::string map_picture(SiteItem const& item, SiteText const& text) {
  auto const& status = item.status;
  if (status.pieces_total == 0) return {};
  auto const caption =
      fmt::format(fmt::runtime(text.pieces_of), status.pieces_verified, status.pieces_total);
  std::string legend;
  if (status.pieces_verified < status.pieces_total)
    legend = fmt::format(
        "<ul class=\"legend\" aria-hidden=\"true\"><li class=\"whole\">{}</li><li "
        "class=\"part\">{}</li><li class=\"none\">{}</li></ul>",
        text.map_whole, text.map_part, text.map_none);
  return fmt::format(
      "<figure class=\"map\"><svg role=\"img\" aria-label=\"{0}\" viewBox=\"0 0 {1} {2}\" "
      "preserveAspectRatio=\"none\">"
      "<path class=\"here\" data-figure=\"map\" d=\"{3}\"/></svg>"
      "<figcaption><span data-figure=\"pieces\">{0}</span><span class=\"percent\" "
      "data-figure=\"percent\">{4} %</span></figcaption>{5}</figure>\n",
      escape_html(caption), item.map_width, kMapHeight, item.map,
      whole_percent(status.bytes_verified, status.bytes_total), legend);
}

/// A link that says by its name alone what it leads to, for those who jump from link to link.
std::string action(std::string_view css, std::string_view href, std::string_view more,
                   std::string_view label, Metainfo const& metainfo) {
  return fmt::format("<a class=\"{}\" href=\"{}\"{} aria-label=\"{}: {}\">{}</a>", css,
                     escape_html(href), more, label, escape_html(metainfo.name()), label);
}

std::string actions(SiteItem const& item, bool shared_name, SiteOrigin const& origin,
                    SiteText const& text) {
  auto const& metainfo = *item.metainfo;
  auto const files = metainfo.files();
  std::string out = "<p class=\"actions\">";
  if (is_single_file(metainfo)) {
    out += action("button primary", site_file_path(item, files[0], shared_name), " download",
                  text.download, metainfo);
  } else {
    auto const folder =
        shared_name
            ? fmt::format("/files/{}/{}/", item.status.id, percent_encode_path(metainfo.name()))
            : fmt::format("/files/{}/", percent_encode_path(metainfo.name()));
    out += action("button primary", folder, "", text.browse, metainfo);
  }
  out += action("button", magnet_with_origin(metainfo, item.status.id, origin), " data-magnet",
                text.magnet, metainfo);
  out += action("button", fmt::format("/torrents/{}.torrent", item.status.id), "",
                text.torrent_file, metainfo);
  return out + "</p>\n";
}

std::string file_rows(SiteItem const& item, bool shared_name, SiteText const& text) {
  auto const& metainfo = *item.metainfo;
  if (is_single_file(metainfo)) return {};
  auto const count = file_count(metainfo);
  std::string out = fmt::format(
      "<details><summary>{} ({})</summary><div class=\"scroll\"><table><thead><tr><th "
      "scope=\"col\">{}</th><th scope=\"col\" class=\"number\">{}</th></tr></thead><tbody>",
      text.file_list, count, text.name, text.size);
  std::size_t shown = 0;
  for (auto const& file : metainfo.files()) {
    if (file.pad || shown == kFilesShownMax) continue;
    ++shown;
    auto const below =
        std::string_view{file.path}.substr(std::min(file.path.size(), metainfo.name().size() + 1));
    out += fmt::format(
        "<tr><td><a href=\"{}\"><bdi>{}</bdi></a></td><td class=\"number\">{}</td></tr>",
        escape_html(site_file_path(item, file, shared_name)), escape_html(below),
        bytes(file.length, text));
  }
  out += "</tbody></table></div>";
  if (count > shown)
    out += fmt::format("<p><a href=\"/files/{}{}/\">{} ({})</a></p>",
                       shared_name ? item.status.id + "/" : "",
                       escape_html(percent_encode_path(metainfo.name())), text.more_files, count);
  return out + "</details>\n";
}

std::string hashes(Metainfo const& metainfo, SiteText const& text) {
  auto const& hash = metainfo.info_hash();
  std::string out = fmt::format(
      "<details><summary>{}</summary><dl class=\"hashes\"><div><dt>{}</dt><dd>{}</dd></div>",
      text.hashes, text.format,
      hash.v1 && hash.v2 ? "v1 + v2"
      : hash.v2          ? "v2"
                         : "v1");
  if (hash.v2)
    out +=
        fmt::format("<div><dt>SHA-256</dt><dd><code>{}</code></dd></div>", base::to_hex(*hash.v2));
  if (hash.v1)
    out += fmt::format("<div><dt>SHA-1</dt><dd><code>{}</code></dd></div>", base::to_hex(*hash.v1));
  return out + "</dl></details>\n";
}

std::string card(SiteItem const& item, bool shared_name, SiteOrigin const& origin,
                 SiteText const& text) {
  auto const& status = item.status;
  std::vector<Figure> figures{{"", text.size, bytes(status.bytes_total, text)}};
  if (item.metainfo)
    figures.push_back({"", text.files, std::to_string(file_count(*item.metainfo))});
  figures.push_back({"seeds", text.seeds, std::to_string(item.seeds)});
  figures.push_back({"leeches", text.leeches, std::to_string(item.leeches)});
  if (status.phase != TorrentPhase::seeding)
    figures.push_back({"download_rate", text.downloading_rate, rate(status.download_rate, text)});
  figures.push_back({"upload_rate", text.uploading_rate, rate(status.upload_rate, text)});
  return fmt::format(
      "<article class=\"torrent\" data-torrent=\"{0}\" aria-labelledby=\"n-{0}\">\n<h2 "
      "id=\"n-{0}\"><bdi>{1}</bdi></h2>\n{2}{3}{4}{5}{6}{7}</article>\n",
      escape_html(status.id), escape_html(status.name), state_line(item, text),
      figure_list("figures", figures), map_picture(item, text),
      item.metainfo ? actions(item, shared_name, origin, text) : "",
      item.metainfo ? file_rows(item, shared_name, text) : "",
      item.metainfo ? hashes(*item.metainfo, text) : "");
}

std::string nothing(SiteText const& text) {
  return fmt::format(
      "<div class=\"empty\"><p>{}</p><p>{}</p><pre><code>mutirao share PATH</code></pre></div>\n",
      text.nothing_shared, text.nothing_shared_mend);
}

std::string how_to(SiteText const& text) {
  return fmt::format(
      "<section class=\"how\" aria-labelledby=\"how\"><h2 "
      "id=\"how\">{}</h2><ul><li>{}</li><li>{}</li></ul></section>\n",
      text.how, text.how_magnet, text.how_browser);
}

}  // namespace

std::string site_list_page(std::vector<SiteItem> const& items, SiteOrigin const& origin,
                           SiteText const& text) {
  std::string main = fmt::format(
      "<div class=\"intro\"><h1>{}</h1><p>{}</p></div>\n<p class=\"live\" role=\"status\" "
      "data-live data-on=\"{}\" data-off=\"{}\" data-copy=\"{}\" data-copied=\"{}\"></p>\n"
      "<noscript><p class=\"live\">{}</p></noscript>\n",
      text.title, text.tagline, text.live_on, text.live_off, text.copy, text.copied,
      text.no_script);
  if (items.empty()) {
    main += nothing(text);
  } else {
    main += summary(items, text);
    for (auto const& item : items) main += card(item, name_is_shared(items, item), origin, text);
    main += how_to(text);
  }
  return site_page_frame(text, {.title = text.title, .main = main, .live = true, .here = "/"});
}

}  // namespace mutirao::swarm
